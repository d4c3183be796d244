"""The simulator as an HTTP server on loopback, controlled by Python methods."""

from __future__ import annotations

from types import TracebackType
from typing import Self, TypedDict

from moto.core.base_backend import BackendDict

from .checks import Burst, EpochSeconds, Port, Rate, Region, TimeScale, checked
from .imagebuilder.controller import Control
from .server import Server


class ClientArguments(TypedDict):
    """Keyword arguments that connect a client to the simulator."""

    region_name: str
    endpoint_url: str
    aws_access_key_id: str
    aws_secret_access_key: str


class Simulator(Control):
    """A simulated EC2 Image Builder on 127.0.0.1, served alongside moto's own services.

    Use it as a context manager, or call `start` and `stop`. Its other methods are those of `Control`.

    Args:
        time_scale: Simulated seconds per real second; at 60 a ten-minute build takes ten seconds. At 0 time
            moves only by `advance`.
        rate_limit: Calls per real second allowed for each account; more get a 429. ``None`` = no limit.
        burst: Number of calls that may arrive at once; defaults to the rate limit.
        region_name: Region of `client_arguments` and of the methods that create resources.
        port: Port to listen on; 0 picks a free port.
        start: Simulated time at the start and after a reset, in epoch seconds; the real time if ``None``.
    """

    @checked
    def __init__(
        self,
        *,
        time_scale: TimeScale = 60.0,
        rate_limit: Rate | None = None,
        burst: Burst | None = None,
        region_name: Region = "us-east-1",
        port: Port = 0,
        start: EpochSeconds | None = None,
    ) -> None:
        super().__init__(
            time_scale=time_scale, rate_limit=rate_limit, burst=burst, region_name=region_name, start=start
        )
        self._port = port
        self._server: Server | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start serving; does nothing if already serving.

        Raises:
            OSError: The port is in use.
        """
        if self._server is None:
            self.closing.clear()
            self._server = Server(self, port=self._port)
            self._server.start()

    def stop(self) -> None:
        """Stop serving; the simulated state is kept until `reset`."""
        if self._server is not None:
            self._server.stop()
            self._server = None

    @property
    def control(self) -> Control:
        """The simulator itself, as the `Control` that it is."""
        return self

    @property
    def endpoint_url(self) -> str:
        """The URL that the simulator listens on.

        Raises:
            RuntimeError: The simulator is not running.
        """
        if self._server is None:
            raise RuntimeError("the simulator is not running; use it as a context manager or call start()")
        return self._server.endpoint_url

    @property
    def client_arguments(self) -> ClientArguments:
        """Keyword arguments for a boto3, aiobotocore or aioimagebuilder client of any AWS service."""
        return {
            "region_name": self.region_name,
            "endpoint_url": self.endpoint_url,
            "aws_access_key_id": "AKIAIOSFODNN7EXAMPLE",
            "aws_secret_access_key": "simulated",
        }

    def reset(self) -> None:
        """Discard all state, including moto's other services, and restore the initial settings."""
        super().reset()
        BackendDict.reset()
