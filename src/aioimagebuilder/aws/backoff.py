"""Which errors are retried, and after which delay: tenacity, tuned to this service.

A throttle concerns the account, not the outcome of an execution. 5xx errors and broken connections pass, and
so may the expiry of credentials that worked before. All other errors (denied, invalid, not found) are final:
the same call would fail again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

import anyio
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    before_nothing,
    retry_all,
    retry_if_exception_type,
    stop_after_attempt,
    stop_before_delay,
    stop_never,
    wait_random_exponential,
)
from tenacity.retry import RetryBaseT
from tenacity.stop import StopBaseT
from tenacity.wait import WaitBaseT

from ..errors import (
    ConnectionFailedError,
    CredentialsRefreshError,
    MalformedResponseError,
    OperationError,
    ServerError,
    ThrottledError,
)

BeforeSleep = Callable[[RetryCallState], Awaitable[None] | None]

TRANSIENT_ERRORS: Final = (
    ThrottledError,
    ServerError,
    ConnectionFailedError,
    MalformedResponseError,
    CredentialsRefreshError,
)


@dataclass(frozen=True, kw_only=True)
class Backoff:
    """How calls are retried, in tenacity's terms. Each part accepts any strategy of tenacity's.

    The defaults use full jitter (a random delay up to an exponential bound), which spreads many clients best.

    Attributes:
        throttled: The delay after a throttle. The shared rate limiter slows the client as a whole; this
            spaces the attempts of one call. A longer delay requested by the server takes precedence.
        transient: The delay after a 5xx error, a broken connection, a malformed response or expired
            credentials.
        retry: What is retried. It is only consulted for errors of AWS calls, never for a cancellation.
        stop: When a single operation (`get_image`, `start_image_pipeline_execution`, …) gives up and raises
            the error. It does not apply to waits, which end by their own deadline.
        before_sleep: Called before each delay, with tenacity's `RetryCallState`.
    """

    throttled: WaitBaseT = field(default=wait_random_exponential(multiplier=1, max=20))
    transient: WaitBaseT = field(default=wait_random_exponential(multiplier=0.5, max=15))
    retry: RetryBaseT = field(default=retry_if_exception_type(TRANSIENT_ERRORS))
    stop: StopBaseT = field(default=stop_before_delay(60))
    before_sleep: BeforeSleep | None = None

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not callable(value) and (name, value) != ("before_sleep", None):
                raise TypeError(f"Backoff.{name} must be a strategy of tenacity, not {value!r}.")

    def for_operation(self, deadline: float) -> AsyncRetrying:
        """Return the retrying of a single operation, which gives up according to `stop`.

        Args:
            deadline: The time on the event loop's clock before which it gives up in any case, or infinity.
        """

        def stop(state: RetryCallState) -> bool:
            return self.stop(state) or anyio.current_time() + state.upcoming_sleep >= deadline

        return self._retrying(stop)

    def for_time(self, seconds: float, *, before_sleep: Callable[[RetryCallState], None]) -> AsyncRetrying:
        """Return the retrying of a single operation that gives up after `seconds`.

        Args:
            seconds: The time limit.
            before_sleep: Called before each delay, in addition to the caller's own `before_sleep`.
        """
        return self._retrying(stop_before_delay(seconds), before_sleep=before_sleep)

    def for_poll(
        self,
        *,
        before: Callable[[RetryCallState], None],
        before_sleep: Callable[[RetryCallState], None],
        sleep: Callable[[float], Awaitable[None]],
        stop: StopBaseT = stop_never,
    ) -> AsyncRetrying:
        """Return the retrying of a poll, which by default never gives up by itself.

        Args:
            before: Called before each attempt.
            before_sleep: Called before each delay, in addition to the caller's own `before_sleep`.
            sleep: Sleeps for the given seconds, or until the next attempt is due.
            stop: When it gives up.
        """
        return self._retrying(stop, before=before, before_sleep=before_sleep, sleep=sleep)

    @staticmethod
    def none() -> AsyncRetrying:
        """Return the retrying of a call that is attempted once."""
        return AsyncRetrying(stop=stop_after_attempt(1), reraise=True)

    def _retrying(
        self,
        stop: StopBaseT,
        *,
        before: Callable[[RetryCallState], None] = before_nothing,
        before_sleep: Callable[[RetryCallState], None] = before_nothing,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
    ) -> AsyncRetrying:
        async def before_sleep_of_both(state: RetryCallState) -> None:
            before_sleep(state)
            result = self.before_sleep and self.before_sleep(state)
            if result is not None:
                await result

        return AsyncRetrying(
            # Without the first predicate, a caller's `retry` could retry a cancellation.
            retry=retry_all(retry_if_exception_type(OperationError), self.retry),
            wait=self._wait,
            stop=stop,
            sleep=sleep,
            before=before,
            before_sleep=before_sleep_of_both,
            reraise=True,
        )

    def _wait(self, state: RetryCallState) -> float:
        error = state.outcome and state.outcome.exception()
        strategy = self.throttled if isinstance(error, ThrottledError) else self.transient
        requested = error.retry_after if isinstance(error, OperationError) else None
        return max(strategy(state), requested or 0.0)
