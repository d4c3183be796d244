"""The object that controls a simulator.

A `Simulator` is one with a server, whose HTTP routes under ``/_simulator/`` call it. Under ``moto.mock_aws``,
`aioimagebuilder.testing.control` returns one.
"""

from __future__ import annotations

import re
import threading
import time
import uuid
from collections import Counter, deque
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from ..checks import (
    Account,
    Burst,
    EpochSeconds,
    NonEmpty,
    Rate,
    Region,
    Seconds,
    TimeScale,
    checked,
)
from ..scripts import BuildScript, Json
from ..simulation.clock import SimulatedClock
from ..simulation.state_history import Members
from .build_logs import write_image_lines
from .faults import Fault, FaultRegistry
from .models import ImageBuilderBackend, SharedState
from .operations.dispatch import perform
from .operations.lifecycle_policies import run_policy
from .operations.standalone import ExecutionKind, add_execution
from .outputs import write_due_outputs
from .presets import Presets
from .rate_limit import TokenBucket
from .validation import input_members

DEFAULT_ACCOUNT = "123456789012"
"""The account that moto assigns to unknown credentials."""

_MAX_CALLS = 1_000_000
_POLICY_ARN = re.compile(r"arn:[a-z-]+:imagebuilder:([a-z0-9-]+):([0-9]{12}):lifecycle-policy/[^/]+")


@dataclass(frozen=True, kw_only=True)
class CallRecord:
    """A call that reached the simulator.

    Args:
        operation: Operation name as in the service model.
        identifier: The id or ARN in the request, if any.
        parameters: The request in wire names.
        status: HTTP status of the response; 0 if there was no response.
        code: Error code, if the response was an error.
        at: Real time in seconds since the epoch.
        service: ``imagebuilder``, or ``logs`` for a CloudWatch Logs call.
    """

    operation: str
    identifier: str | None
    parameters: dict[str, Json]
    status: int
    code: str | None
    at: float
    service: str = "imagebuilder"


class Control(Presets):
    """The controls and state of one simulator; safe to use from any thread.

    Args:
        time_scale: Simulated seconds per real second.
        rate_limit: Calls per real second allowed for each account; ``None`` = no limit.
        burst: Number of calls that may arrive at once.
        region_name: Region of the methods that create resources.
        start: Simulated time at the start and after a reset, in epoch seconds; the real time if ``None``.
        monotonic: Source of real time in seconds.

    Every method with arguments raises TypeError for one of a wrong type, and ValueError for one out of range,
    such as a number that is negative, infinite, NaN or above a billion.
    """

    @checked
    def __init__(
        self,
        *,
        time_scale: TimeScale = 1.0,
        rate_limit: Rate | None = None,
        burst: Burst | None = None,
        region_name: Region = "us-east-1",
        start: EpochSeconds | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.region_name = region_name
        self.lock: AbstractContextManager[bool] = threading.RLock()
        self.closing: threading.Event = threading.Event()
        self._changed = threading.Event()
        self._monotonic = monotonic
        self._initial = (time_scale, rate_limit, burst, start)
        self._initialize()

    def _initialize(self) -> None:
        scale, rate, burst, start = self._initial
        clock = SimulatedClock(scale=scale, start=start, monotonic=self._monotonic)
        self.faults: FaultRegistry = FaultRegistry(monotonic=self._monotonic)
        self.shared: SharedState = SharedState(clock=clock, faults=self.faults, changed=self._changed)
        self.backends: dict[tuple[str, str], ImageBuilderBackend] = {}
        self._calls: deque[CallRecord] = deque(maxlen=_MAX_CALLS)
        self._counts: Counter[str] = Counter()
        self._buckets: dict[str, TokenBucket] = {}
        self._rate, self._burst = rate, burst

    def reset(self) -> None:
        """Discard resources, executions, scripts, faults and calls, and restore the initial settings."""
        with self.lock:
            self._initialize()

    @property
    def time_scale(self) -> float:
        """Simulated seconds per real second."""
        return self.shared.clock.scale

    @checked
    def set_time_scale(self, scale: TimeScale) -> None:
        """Set the number of simulated seconds per real second; 0 stops the clock."""
        self.shared.clock.set_scale(scale)
        self._changed.set()

    @checked
    def advance(self, seconds: Seconds) -> None:
        """Advance the clock by a number of simulated seconds, and perform what is due by then."""
        self.shared.clock.advance(seconds)
        self.perform_due()
        self._changed.set()

    def now(self) -> float:
        """Return the simulated time in seconds since the epoch."""
        return self.shared.clock.now()

    def sleep(self, seconds: float) -> None:
        """Block for a number of real seconds, or until the simulator stops."""
        self.closing.wait(min(seconds, threading.TIMEOUT_MAX))

    def close(self) -> None:
        """Release everything that waits: hanging calls and `perform_until_closed`."""
        self.closing.set()
        self._changed.set()

    def perform_due(self) -> None:
        """Perform what is due by the simulated time."""
        if self.shared.agenda.is_due():
            with self.lock:
                self.shared.agenda.perform_due()

    def perform_until_closed(self) -> None:
        """Perform everything at its time until the simulator stops."""
        while not self.closing.is_set():
            self._changed.wait(self._seconds_until_due())
            self._changed.clear()
            self.perform_due()

    def _seconds_until_due(self) -> float | None:
        clock = self.shared.clock
        seconds = self.shared.agenda.next_due - clock.now()
        if seconds > 0 and clock.scale == 0:
            return None
        return min(max(seconds, 0) / (clock.scale or 1), threading.TIMEOUT_MAX)

    def write_due_lines(self) -> None:
        """Write every line of a build log that is due."""
        with self.lock:
            for backend in self.backends.values():
                for image in backend.images.values():
                    write_image_lines(backend, image, backend.now())

    def write_due_outputs(self) -> None:
        """Write the outputs of images that are due to moto's EC2 and Parameter Store."""
        self.perform_due()
        with self.lock:
            write_due_outputs(self.shared)

    @property
    def rate_limit(self) -> float | None:
        """The calls per real second allowed for each account, or ``None``."""
        return self._rate

    @property
    def burst(self) -> float | None:
        """The number of calls that may arrive at once, or ``None``."""
        return self._burst

    @checked
    def set_rate_limit(self, calls_per_second: Rate | None, *, burst: Burst | None = None) -> None:
        """Set the number of calls per real second allowed for each account; ``None`` removes the limit."""
        with self.lock:
            self._rate, self._burst = calls_per_second, burst
            self._buckets.clear()

    @checked
    def script(self, script: BuildScript, recipe: str | None = None, *, default: bool = False) -> None:
        """Queue a script for the next build.

        Args:
            script: What the build or retry does.
            recipe: Name or ARN of the only recipe or image that the script applies to.
            default: Apply the script to every later build that has no other script.
        """
        with self.lock:
            self.shared.scripts.add(script, recipe=recipe, default=default)

    @checked
    def add_execution(
        self,
        kind: ExecutionKind,
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
        with self.lock:
            backend = self.backend(account_id, region_name or self.region_name)
            return add_execution(backend, kind, schedule, members)

    @checked
    def inject(self, fault: Fault) -> None:
        """Inject a fault."""
        with self.lock:
            if fault.kind == "unknown_status":
                self.shared.extra_statuses.add(fault.execution_status)
            self.faults.add(fault)

    def clear_faults(self) -> None:
        """Remove all faults."""
        with self.lock:
            self.faults.clear()

    @property
    def calls(self) -> list[CallRecord]:
        """The recorded calls, oldest first (at most the last million)."""
        with self.lock:
            return list(self._calls)

    @checked
    def call_count(self, operation: str | None = None) -> int:
        """Return the number of recorded calls of an operation, or of all operations."""
        with self.lock:
            return self._counts.total() if operation is None else self._counts[operation]

    def reset_calls(self) -> None:
        """Clear the recorded calls."""
        with self.lock:
            self._calls.clear()
            self._counts.clear()

    def record(self, call: CallRecord) -> None:
        """Record a call."""
        with self.lock:
            self._calls.append(call)
            self._counts[call.operation] += 1

    def backend(self, account_id: str, region: str) -> ImageBuilderBackend:
        """Return the backend of an account in a region."""
        with self.lock:
            found = self.backends.get((account_id, region))
            if found is None:
                found = self.backends[account_id, region] = ImageBuilderBackend(
                    region, account_id, self.shared
                )
            return found

    def admits(self, account_id: str) -> bool:
        """Return whether the rate limit admits a call of the account."""
        with self.lock:
            if self._rate is None:
                return True
            bucket = self._buckets.get(account_id)
            if bucket is None:
                bucket = TokenBucket(self._rate, self._burst, monotonic=self._monotonic)
                self._buckets[account_id] = bucket
            return bucket.take()

    def perform(
        self, operation: str, params: Members, *, account_id: str, region: str, lag: float = 0.0
    ) -> Members:
        """Perform an operation and return the response members.

        Args:
            operation: Operation name as in the service model.
            params: Request members in wire names.
            account_id: Account of the caller.
            region: Region of the endpoint.
            lag: Age of the returned state in simulated seconds.

        Raises:
            ServiceError: The service rejects the request.
            SimulatorBugError: The response violates the service model.
        """
        self.perform_due()
        with self.lock:
            self.shared.lag = lag
            try:
                return perform(self.backend(account_id, region), operation, params)
            finally:
                self.shared.lag = 0.0

    def call(self, operation: str, **params: object) -> Members:
        """Perform an operation directly, without faults, rate limit or call record."""
        if "clientToken" in input_members(operation):
            params.setdefault("clientToken", str(uuid.uuid4()))
        return self.perform(operation, params, account_id=DEFAULT_ACCOUNT, region=self.region_name)

    @checked
    def run_lifecycle_policy(
        self,
        policy_arn: str,
        *,
        seconds: Seconds = 30.0,
        status: NonEmpty = "SUCCESS",
        reason: NonEmpty | None = None,
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
        match = _POLICY_ARN.fullmatch(policy_arn)
        if match is None:
            raise ValueError(f"{policy_arn!r} is not the ARN of a lifecycle policy")
        region, account = match.groups()
        with self.lock:
            return run_policy(
                self.backend(account, region), policy_arn, seconds=seconds, status=status, reason=reason
            )
