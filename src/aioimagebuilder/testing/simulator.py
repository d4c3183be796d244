"""A simulator that runs by itself: a server on loopback in a thread, steered by Python methods."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Self, TypedDict

from moto.core.base_backend import BackendDict

from .controller import DEFAULT_ACCOUNT, CallRecord, Control
from .faults import Fault
from .scripts import BuildScript, Json
from .server import Server

if TYPE_CHECKING:
    from collections.abc import Sequence


class ClientArguments(TypedDict):
    """Keywords that make a client speak to the simulator."""

    region_name: str
    endpoint_url: str
    aws_access_key_id: str
    aws_secret_access_key: str


class Simulator:
    """EC2 Image Builder on 127.0.0.1, beside moto's other services.

    Use it as a context manager, or call `start` and `stop`.

    Args:
        time_scale: Simulated seconds per real second; at 60 a build of ten minutes takes ten seconds. At 0
            time stands still until `advance`.
        rate_limit: Calls per real second and account, above which 429 is answered; ``None`` = no limit.
        burst: Calls that may come at once; the rate, if not given.
        region_name: The region of `client_arguments` and of the convenience methods.
        port: Port to listen on; 0 = any free one.
        start: Simulated seconds since the epoch at the start, and after a reset; the real time if ``None``.
    """

    def __init__(
        self,
        *,
        time_scale: float = 60.0,
        rate_limit: float | None = None,
        burst: float | None = None,
        region_name: str = "us-east-1",
        port: int = 0,
        start: float | None = None,
    ) -> None:
        self.region_name = region_name
        self.control: Control = Control(
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
        """Begin to serve.

        Raises:
            OSError: The port is taken.
        """
        if self._server is None:
            self.control.closing.clear()
            self._server = Server(self.control, port=self._port)
            self._server.start()

    def stop(self) -> None:
        """Stop serving; what was simulated is kept until `reset`."""
        if self._server is not None:
            self._server.stop()
            self._server = None

    @property
    def endpoint_url(self) -> str:
        """Where it listens.

        Raises:
            RuntimeError: It does not serve.
        """
        if self._server is None:
            raise RuntimeError("the simulator does not serve; use it as a context manager or call start()")
        return self._server.endpoint_url

    @property
    def client_arguments(self) -> ClientArguments:
        """Keywords for a client of any AWS service: boto3's, aiobotocore's, or this library's."""
        return {
            "region_name": self.region_name,
            "endpoint_url": self.endpoint_url,
            "aws_access_key_id": "AKIAIOSFODNN7EXAMPLE",
            "aws_secret_access_key": "simulated",
        }

    def create_pipeline(
        self,
        name: str = "demo",
        *,
        container: bool = False,
        regions: Sequence[str] | None = None,
        workflows: Sequence[dict[str, Json]] | None = None,
        tests: bool = True,
        version: str = "1.0.0",
        log_group: str | None = None,
        log_bucket: str | None = None,
    ) -> str:
        """Get the ARN of a new pipeline, with a component, a recipe and configurations made for it.

        Args:
            name: Name of the pipeline and of all that it needs.
            container: Build a container image instead of an AMI.
            regions: Where the image goes; only the region of the pipeline, if not given.
            workflows: Workflow configurations by wire names (``workflowArn``, ``parallelGroup``…) instead of
                the default workflows.
            tests: Whether images are tested.
            version: Version of component and recipe.
            log_group: Log group of the images instead of the default one.
            log_bucket: S3 bucket of the component logs; there are none, if not given.

        Raises:
            ServiceError: The service would refuse it.
        """
        return self.control.create_pipeline(
            name,
            container=container,
            regions=regions,
            workflows=workflows,
            tests=tests,
            version=version,
            log_group=log_group,
            log_bucket=log_bucket,
        )

    def create_workflow(self, name: str, data: str, *, type: str = "BUILD", version: str = "1.0.0") -> str:  # noqa: A002
        """Get the ARN of a new workflow with this YAML document."""
        return self.control.create_workflow(name, data, type=type, version=version)

    def start_build(self, pipeline_arn: str) -> str:
        """Get the ARN of the image that this pipeline now builds."""
        return self.control.start_build(pipeline_arn)

    def script(self, script: BuildScript, recipe: str | None = None, *, default: bool = False) -> None:
        """Let the next build follow the script.

        Args:
            script: What the build (or retry) shall do.
            recipe: Only a build of this recipe or image name (or ARN).
            default: Every further build that finds no other script.
        """
        self.control.script(script, recipe=recipe, default=default)

    def add_execution(
        self,
        kind: str,
        schedule: Sequence[tuple[str, float | None]],
        *,
        region_name: str | None = None,
        account_id: str = DEFAULT_ACCOUNT,
        **members: Json,
    ) -> str:
        """Get the id or ARN of a new execution that belongs to no build and goes through these statuses.

        Args:
            kind: ``workflow_execution``, ``workflow_step_execution``, ``image`` or ``lifecycle_execution``.
            schedule: (status, simulated seconds in it); the last one stays. Any word may be a status.
            region_name: Where it runs.
            account_id: Whose it is.
            members: Wire members to show instead of the usual ones (``message``, ``imageBuildVersionArn``…).

        Raises:
            ValueError: There is no such kind, or the schedule is empty.
        """
        return self.control.add_execution(
            kind, list(schedule), region_name=region_name, account_id=account_id, **members
        )

    def run_lifecycle_policy(
        self, policy_arn: str, *, seconds: float = 30.0, status: str = "SUCCESS", reason: str | None = None
    ) -> str:
        """Get the id of the execution of this lifecycle policy that starts now.

        Args:
            policy_arn: The policy.
            seconds: Simulated seconds that it takes.
            status: How it ends.
            reason: Why, if it fails.

        Raises:
            ServiceError: There is no such policy, or it is running.
        """
        return self.control.run_lifecycle_policy(policy_arn, seconds=seconds, status=status, reason=reason)

    def inject(self, fault: Fault) -> None:
        """Switch this fault on."""
        self.control.inject(fault)

    def clear_faults(self) -> None:
        """Switch every fault off."""
        self.control.clear_faults()

    def set_rate_limit(self, calls_per_second: float | None, *, burst: float | None = None) -> None:
        """Answer 429 to what is above this rate, for each account by itself; ``None`` = no limit.

        Raises:
            ValueError: The rate or the burst is not positive.
        """
        self.control.set_rate_limit(calls_per_second, burst=burst)

    def set_time_scale(self, scale: float) -> None:
        """Let simulated time run this fast from now on; 0 stops it.

        Raises:
            ValueError: The scale is negative.
        """
        self.control.set_time_scale(scale)

    def advance(self, seconds: float) -> None:
        """Jump this many simulated seconds forward.

        Raises:
            ValueError: The number is negative.
        """
        self.control.advance(seconds)

    def now(self) -> float:
        """Get simulated seconds since the epoch."""
        return self.control.now()

    @property
    def calls(self) -> list[CallRecord]:
        """Calls so far, oldest first."""
        return self.control.calls

    def call_count(self, operation: str | None = None) -> int:
        """How many calls came, of this operation or in all."""
        return self.control.call_count(operation)

    def reset_calls(self) -> None:
        """Forget the calls so far."""
        self.control.reset_calls()

    def reset(self) -> None:
        """Forget everything, moto's other services included; settings are as at the start."""
        BackendDict.reset()
        self.control.reset()
