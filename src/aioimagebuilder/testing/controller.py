"""Everything that steers the simulator, as one object.

The Python methods of `Simulator` and the HTTP routes under ``/_simulator/`` both end here; under
``moto.mock_aws`` the function `aioimagebuilder.testing.controller` gives the object itself.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections import Counter, deque
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from .faults import Fault, FaultBoard
from .rate_limit import TokenBucket
from .scripts import BuildScript, Json
from .service.dispatch import perform
from .service.lifecycle_policies import run_policy
from .service.presets import create_pipeline
from .service.standalone import add_execution
from .service.state import RegionState, World
from .service.validation import input_members
from .simulation.clock import SimulatedClock
from .simulation.state_history import Members

DEFAULT_ACCOUNT = "123456789012"
"""moto's account, which unknown credentials belong to."""

_MOST_CALLS = 1_000_000


@dataclass(frozen=True, kw_only=True)
class CallRecord:
    """One call that reached the simulator.

    Args:
        operation: As in the service's model.
        identifier: The id or ARN that it named, if any.
        parameters: The request by wire names.
        status: The HTTP status of the answer; 0 where there was none.
        code: The error code, if it was an error.
        at: Real time, seconds since the epoch.
        service: ``imagebuilder``, or ``logs`` for a call of CloudWatch Logs.
    """

    operation: str
    identifier: str | None
    parameters: dict[str, Json]
    status: int
    code: str | None
    at: float
    service: str = "imagebuilder"


class Control:
    """Steers one simulator; safe to use from any thread.

    Args:
        time_scale: Simulated seconds per real second.
        rate_limit: Calls per real second and account; ``None`` = no limit.
        burst: Calls that may come at once.
        region_name: Where the convenience methods work.
        start: Simulated seconds since the epoch at the start, and after a reset; the real time if ``None``.
        monotonic: Where real seconds come from.
    """

    def __init__(
        self,
        *,
        time_scale: float = 1.0,
        rate_limit: float | None = None,
        burst: float | None = None,
        region_name: str = "us-east-1",
        start: float | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.region_name = region_name
        self.lock: AbstractContextManager[bool] = threading.RLock()
        self.closing: threading.Event = threading.Event()
        self._monotonic = monotonic
        self._initial = (time_scale, rate_limit, burst, start)
        self._start()

    def _start(self) -> None:
        scale, rate, burst, start = self._initial
        clock = SimulatedClock(scale=scale, start=start, monotonic=self._monotonic)
        self.world: World = World(clock=clock)
        self.faults: FaultBoard = FaultBoard(monotonic=self._monotonic)
        self.states: dict[tuple[str, str], RegionState] = {}
        self._calls: deque[CallRecord] = deque(maxlen=_MOST_CALLS)
        self._counts: Counter[str] = Counter()
        self._buckets: dict[str, TokenBucket] = {}
        self._rate, self._burst = rate, burst

    def reset(self) -> None:
        """Forget everything: resources, executions, scripts, faults, calls; settings are as at the start."""
        with self.lock:
            self._start()

    # ------------------------------------------------------------------ settings

    @property
    def time_scale(self) -> float:
        """Simulated seconds per real second."""
        return self.world.clock.scale

    def set_time_scale(self, scale: float) -> None:
        """Let simulated time run this fast from now on; 0 stops it.

        Raises:
            ValueError: The scale is negative.
        """
        self.world.clock.set_scale(scale)

    def advance(self, seconds: float) -> None:
        """Jump this many simulated seconds forward.

        Raises:
            ValueError: The number is negative.
        """
        self.world.clock.advance(seconds)

    def now(self) -> float:
        """Get simulated seconds since the epoch."""
        return self.world.clock.now()

    @property
    def rate_limit(self) -> float | None:
        """Calls per real second and account."""
        return self._rate

    @property
    def burst(self) -> float | None:
        """Calls that may come at once."""
        return self._burst

    def set_rate_limit(self, calls_per_second: float | None, *, burst: float | None = None) -> None:
        """Answer 429 to what is above this rate, for each account by itself; ``None`` = no limit.

        Raises:
            ValueError: The rate or the burst is not positive.
        """
        if calls_per_second is not None:
            TokenBucket(calls_per_second, burst)
        with self.lock:
            self._rate, self._burst = calls_per_second, burst
            self._buckets.clear()

    # ------------------------------------------------------------------ scripts, executions, faults

    def script(self, script: BuildScript, *, recipe: str | None = None, default: bool = False) -> None:
        """Let the next build (of this recipe or image name) follow the script, or every further one."""
        with self.lock:
            self.world.scripts.add(script, recipe=recipe, default=default)

    def add_execution(
        self,
        kind: str,
        schedule: list[tuple[str, float | None]],
        *,
        region_name: str | None = None,
        account_id: str = DEFAULT_ACCOUNT,
        **members: Json,
    ) -> str:
        """Get the id or ARN of a new execution that goes through these statuses.

        Args:
            kind: ``workflow_execution``, ``workflow_step_execution``, ``image`` or ``lifecycle_execution``.
            schedule: (status, simulated seconds in it); the last one stays.
            region_name: Where it runs.
            account_id: Whose it is.
            members: Wire members to show instead of the usual ones.

        Raises:
            ValueError: There is no such kind, or the schedule is empty.
        """
        with self.lock:
            state = self.state(account_id, region_name or self.region_name)
            return add_execution(state, kind, schedule, members)

    def inject(self, fault: Fault) -> None:
        """Switch this fault on."""
        with self.lock:
            if fault.kind == "unknown_status":
                self.world.words.add(fault.word)
            self.faults.add(fault)

    def clear_faults(self) -> None:
        """Switch every fault off."""
        with self.lock:
            self.faults.clear()

    # ------------------------------------------------------------------ calls

    @property
    def calls(self) -> list[CallRecord]:
        """Calls so far, oldest first (at most the last million)."""
        with self.lock:
            return list(self._calls)

    def call_count(self, operation: str | None = None) -> int:
        """How many calls came, of this operation or in all."""
        with self.lock:
            return self._counts.total() if operation is None else self._counts[operation]

    def reset_calls(self) -> None:
        """Forget the calls so far."""
        with self.lock:
            self._calls.clear()
            self._counts.clear()

    def record(self, call: CallRecord) -> None:
        """Keep this call."""
        with self.lock:
            self._calls.append(call)
            self._counts[call.operation] += 1

    # ------------------------------------------------------------------ the service

    def state(self, account_id: str, region: str) -> RegionState:
        """Get what this account has in this region."""
        with self.lock:
            found = self.states.get((account_id, region))
            if found is None:
                found = self.states[account_id, region] = RegionState(account_id, region, self.world)
            return found

    def admits(self, account_id: str) -> bool:
        """Whether the rate limit lets a call of this account through."""
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
        """Carry out one operation.

        Args:
            operation: As in the service's model.
            params: By wire names.
            account_id: Who calls.
            region: Where.
            lag: Answer as of so many simulated seconds ago.

        Raises:
            ServiceError: What the service refuses.
            SimulatorBugError: The simulator is wrong.
        """
        with self.lock:
            self.world.lag = lag
            try:
                return perform(self.state(account_id, region), operation, params)
            finally:
                self.world.lag = 0.0

    def call(self, operation: str, **params: object) -> Members:
        """Carry out one operation from inside: no fault, no rate limit, no record."""
        if "clientToken" in input_members(operation):
            params.setdefault("clientToken", str(uuid.uuid4()))
        return self.perform(operation, params, account_id=DEFAULT_ACCOUNT, region=self.region_name)

    # ------------------------------------------------------------------ conveniences

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
        """Get the ARN of a new pipeline with all that it needs; see `Simulator.create_pipeline`."""
        return create_pipeline(
            self.call,
            name,
            region=self.region_name,
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
        answer = self.call("CreateWorkflow", name=name, data=data, type=type, semanticVersion=version)
        return str(answer["workflowBuildVersionArn"])

    def start_build(self, pipeline_arn: str) -> str:
        """Get the ARN of the image that this pipeline now builds."""
        answer = self.call("StartImagePipelineExecution", imagePipelineArn=pipeline_arn)
        return str(answer["imageBuildVersionArn"])

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
        _, _, _, region, account, _ = policy_arn.split(":", 5)
        with self.lock:
            return run_policy(
                self.state(account, region), policy_arn, seconds=seconds, status=status, reason=reason
            )
