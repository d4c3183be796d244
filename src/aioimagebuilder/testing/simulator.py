"""The simulator as an HTTP server on loopback, controlled by Python methods."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Self, TypedDict

from .checks import (
    Account,
    Burst,
    EpochSeconds,
    NonEmpty,
    Port,
    Rate,
    Reason,
    Region,
    Seconds,
    TimeScale,
    checked,
)
from .imagebuilder.controller import DEFAULT_ACCOUNT, CallRecord, Control
from .imagebuilder.faults import Fault
from .imagebuilder.mock_aws import reset
from .scripts import BuildScript, Json
from .server import Server


class ClientArguments(TypedDict):
    """Keyword arguments that connect a client to the simulator."""

    region_name: str
    endpoint_url: str
    aws_access_key_id: str
    aws_secret_access_key: str


class Simulator:
    """A simulated EC2 Image Builder on 127.0.0.1, served alongside moto's own services.

    Use it as a context manager, or call `start` and `stop`.

    Args:
        time_scale: Simulated seconds per real second; at 60 a ten-minute build takes ten seconds. At 0 time
            moves only by `advance`.
        rate_limit: Calls per real second allowed for each account; more get a 429. ``None`` = no limit.
        burst: Number of calls that may arrive at once; defaults to the rate limit.
        region_name: Region of `client_arguments` and of the methods that create resources.
        port: Port to listen on; 0 picks a free port.
        start: Simulated time at the start and after a reset, in epoch seconds; the real time if ``None``.

    Every method with arguments raises TypeError for one of a wrong type, and ValueError for one out of range,
    such as a number that is negative, infinite, NaN or above a billion.
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
        """Start serving; does nothing if already serving.

        Raises:
            OSError: The port is in use.
        """
        if self._server is None:
            self.control.closing.clear()
            self._server = Server(self.control, port=self._port)
            self._server.start()

    def stop(self) -> None:
        """Stop serving; the simulated state is kept until `reset`."""
        if self._server is not None:
            self._server.stop()
            self._server = None

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
        """Create a pipeline with its own component, recipe and configurations, and return its ARN.

        Args:
            name: Name of the pipeline and prefix of the resources created with it.
            container: Build a container image instead of an AMI.
            regions: Regions to distribute the image to; defaults to the pipeline's region.
            workflows: Workflow configurations in wire names (``workflowArn``, ``parallelGroup``…); defaults
                to the service's default workflows.
            tests: Whether images are tested.
            version: Version of the component and the recipe.
            log_group: CloudWatch log group of the images; defaults to the service's default group.
            log_bucket: S3 bucket of the component logs; by default there are none.

        Raises:
            ServiceError: The service rejects one of the resources.
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
        """Create a workflow from a YAML document and return its build version ARN."""
        return self.control.create_workflow(name, data, type=type, version=version)

    def start_build(self, pipeline_arn: str) -> str:
        """Start a build of the pipeline and return the image build version ARN."""
        return self.control.start_build(pipeline_arn)

    def script(self, script: BuildScript, recipe: str | None = None, *, default: bool = False) -> None:
        """Queue a script for the next build.

        Args:
            script: What the build or retry does.
            recipe: Name or ARN of the only recipe or image that the script applies to.
            default: Apply the script to every later build that has no other script.
        """
        self.control.script(script, recipe=recipe, default=default)

    def add_execution(
        self,
        kind: str,
        schedule: Sequence[tuple[NonEmpty, Seconds | None]],
        *,
        region_name: Region | None = None,
        account_id: Account = DEFAULT_ACCOUNT,
        **members: Json,
    ) -> str:
        """Add an execution that belongs to no build and follows a schedule, and return its id or ARN.

        Args:
            kind: ``workflow_execution``, ``workflow_step_execution``, ``image`` or ``lifecycle_execution``.
            schedule: (status, simulated seconds in it); the last status is final. Any string may be a status.
            region_name: Region of the execution.
            account_id: Account of the execution.
            members: Wire members that replace the defaults (``message``, ``imageBuildVersionArn``…).

        Raises:
            ValueError: The kind is unknown, the schedule is empty, or a member violates the service model.
        """
        return self.control.add_execution(
            kind, schedule, region_name=region_name, account_id=account_id, **members
        )

    def run_lifecycle_policy(
        self,
        policy_arn: str,
        *,
        seconds: Seconds = 30.0,
        status: NonEmpty = "SUCCESS",
        reason: Reason | None = None,
    ) -> str:
        """Run a lifecycle policy now and return the id of the lifecycle execution.

        Args:
            policy_arn: ARN of the lifecycle policy.
            seconds: Duration in simulated seconds.
            status: Final status.
            reason: Reason of the final status.

        Raises:
            ServiceError: The policy does not exist or is already running.
        """
        return self.control.run_lifecycle_policy(policy_arn, seconds=seconds, status=status, reason=reason)

    def inject(self, fault: Fault) -> None:
        """Inject a fault."""
        self.control.inject(fault)

    def clear_faults(self) -> None:
        """Remove all faults."""
        self.control.clear_faults()

    def set_rate_limit(self, calls_per_second: Rate | None, *, burst: Burst | None = None) -> None:
        """Set the number of calls per real second allowed for each account; ``None`` removes the limit."""
        self.control.set_rate_limit(calls_per_second, burst=burst)

    def set_time_scale(self, scale: TimeScale) -> None:
        """Set the number of simulated seconds per real second; 0 stops the clock."""
        self.control.set_time_scale(scale)

    def advance(self, seconds: Seconds) -> None:
        """Advance the clock by a number of simulated seconds."""
        self.control.advance(seconds)

    def now(self) -> float:
        """Return the simulated time in seconds since the epoch."""
        return self.control.now()

    @property
    def calls(self) -> list[CallRecord]:
        """The recorded calls, oldest first (at most the last million)."""
        return self.control.calls

    def call_count(self, operation: str | None = None) -> int:
        """Return the number of recorded calls of an operation, or of all operations."""
        return self.control.call_count(operation)

    def reset_calls(self) -> None:
        """Clear the recorded calls."""
        self.control.reset_calls()

    def reset(self) -> None:
        """Discard all state, including moto's other services, and restore the initial settings."""
        reset(self.control)
