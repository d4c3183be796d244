"""A workload with the interface of an aiobotocore client, without sockets, on the clock of the event loop."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace
from typing import Any, Final

import anyio
from botocore import xform_name
from botocore.exceptions import ClientError
from server import TokenBucket
from workloads import OPERATIONS, REGION, ServiceError, Spec, Workload

__all__ = ["MemoryClient", "client_error"]

_LATENCY: Final = 0.05


class MemoryClient:
    """Responds like the server, `latency` seconds after the request."""

    meta: Final = SimpleNamespace(region_name=REGION)

    def __init__(self, spec: Spec, *, latency: float = _LATENCY) -> None:
        self.counts: Counter[tuple[str, int]] = Counter()
        self._workload = Workload(spec)
        self._bucket = None if spec.rate is None else TokenBucket(spec.rate, spec.burst)
        self._latency = latency
        self.started: float | None = None
        for operation in OPERATIONS:
            setattr(self, xform_name(operation), self._method(operation))

    def _method(self, operation: str) -> Any:
        async def call(**params: Any) -> dict[str, Any]:
            if self.started is None:
                self.started = anyio.current_time()
            now = anyio.current_time() - self.started
            try:
                response = self._respond(operation, params, now)
            except ServiceError as error:
                self.counts[operation, error.status] += 1
                await anyio.sleep(self._latency)
                raise client_error(error, operation) from None
            self.counts[operation, 200] += 1
            await anyio.sleep(self._latency)
            return {**response, "ResponseMetadata": {"HTTPStatusCode": 200, "HTTPHeaders": {}}}

        return call

    def _respond(self, operation: str, params: dict[str, Any], now: float) -> dict[str, Any]:
        if self._bucket is not None and not self._bucket.take(now):
            raise ServiceError("CallRateLimitExceededException", 429)
        return self._workload.respond(operation, params, now)

    @property
    def calls(self) -> int:
        """The number of calls so far, including throttled ones."""
        return self.counts.total()

    @property
    def throttled(self) -> int:
        """The number of calls that were throttled."""
        return sum(count for (_, status), count in self.counts.items() if status == 429)


def client_error(error: ServiceError, operation: str) -> ClientError:
    """Return the exception that botocore raises for this error."""
    metadata = {"HTTPStatusCode": error.status, "RequestId": "r", "HTTPHeaders": {}}
    details = {"Code": error.code, "Message": f"The service responded with {error.code}."}
    return ClientError({"Error": details, "ResponseMetadata": metadata}, operation)
