"""What is worth a retry, and how long to back off before it: tenacity, tuned to this service.

A throttle is information about the account, not an outcome; 5xx and broken connections pass, and so may a
lapse of credentials that were good before. All else (denied, invalid, not found) is an answer, and asking
again would not change it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import anyio
from tenacity import (
    AsyncRetrying,
    RetryCallState,
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

__all__ = ["TRANSIENT_ERRORS", "Backoff", "BeforeSleep", "Tries"]

BeforeSleep = Callable[[RetryCallState], Awaitable[None] | None]

TRANSIENT_ERRORS: Final = (
    ThrottledError,
    ServerError,
    ConnectionFailedError,
    MalformedResponseError,
    CredentialsRefreshError,
)

_RETRY_TRANSIENT_ERRORS: Final = retry_if_exception_type(TRANSIENT_ERRORS)


class Tries(NamedTuple):
    """How a read of the poller's is tried.

    Attributes:
        begin: told of each try, just before it is made, with the time.
        retrying: gives tenacity's retrying, when a try has failed.
    """

    begin: Callable[[float], None]
    retrying: Callable[[], AsyncRetrying]

    @classmethod
    def once(cls) -> Tries:
        """Get the tries of a read that is not worth a second."""
        return cls(_nothing, lambda: AsyncRetrying(stop=stop_after_attempt(1), reraise=True))


@dataclass(frozen=True, kw_only=True)
class Backoff:
    """How calls are retried, in tenacity's terms; each part can be any strategy of tenacity's.

    The defaults are full jitter (a random time up to an exponential bound), which spreads a herd best.

    Attributes:
        throttled: the wait after a throttle. The shared rate limiter slows the client as a whole; this
            spaces the tries of one call. A longer retry hint of the server wins.
        transient: the wait after a 5xx, a broken connection, a malformed answer or a lapse of credentials.
        retry: what is retried. Only errors of AWS calls are ever asked about: a cancellation is not.
        stop: when a single operation (`get_image`, `start_image_pipeline_execution`, …) gives up and
            raises the error. It does not apply to waits: they end by their own deadline.
        before_sleep: called before each backoff, with tenacity's `RetryCallState`.
    """

    throttled: WaitBaseT = field(default=wait_random_exponential(multiplier=1, max=20))
    transient: WaitBaseT = field(default=wait_random_exponential(multiplier=0.5, max=15))
    retry: RetryBaseT = field(default=_RETRY_TRANSIENT_ERRORS)
    stop: StopBaseT = field(default=stop_before_delay(60))
    before_sleep: BeforeSleep | None = None

    def is_final(self, error: OperationError) -> bool:
        """Whether `error` is plainly not retried. Of a caller's own `retry`, only tenacity can tell."""
        return self.retry is _RETRY_TRANSIENT_ERRORS and not isinstance(error, TRANSIENT_ERRORS)

    def of_operation(self) -> AsyncRetrying:
        """Get the retrying of one operation that a caller made, which gives up by `stop`."""
        return self._retrying(before_sleep=self.before_sleep, sleep=anyio.sleep, stop=self.stop)

    def within(self, seconds: float, *, before_sleep: Callable[[RetryCallState], None]) -> Tries:
        """Get the tries of one operation that give up before so many seconds have passed.

        Args:
            seconds: how many.
            before_sleep: told of each failure that is retried, before the caller's own `before_sleep`.
        """
        tell, stop = self._also_told(before_sleep), stop_before_delay(seconds)
        return Tries(lambda _: None, lambda: self._retrying(before_sleep=tell, sleep=anyio.sleep, stop=stop))

    def of_read(
        self,
        *,
        before_sleep: Callable[[RetryCallState], None],
        sleep: Callable[[float], Awaitable[None]],
    ) -> AsyncRetrying:
        """Get the retrying of one read of the poller's, which never gives up by itself.

        Args:
            before_sleep: told of each failure, before the caller's own `before_sleep`.
            sleep: sleeps for that many seconds, or until the read is wanted sooner.
        """
        return self._retrying(before_sleep=self._also_told(before_sleep), sleep=sleep, stop=stop_never)

    def _also_told(self, before_sleep: Callable[[RetryCallState], None]) -> BeforeSleep:
        async def tell_both(state: RetryCallState) -> None:
            before_sleep(state)
            told = self.before_sleep and self.before_sleep(state)
            if told is not None:
                await told

        return tell_both

    def _retrying(
        self,
        *,
        before_sleep: BeforeSleep | None,
        sleep: Callable[[float], Awaitable[None]],
        stop: StopBaseT,
    ) -> AsyncRetrying:
        return AsyncRetrying(
            # Without the first half, a caller's "retry all" would retry a cancellation.
            retry=retry_all(retry_if_exception_type(OperationError), self.retry),
            wait=self._wait,
            stop=stop,
            sleep=sleep,
            before_sleep=before_sleep,
            reraise=True,
        )

    def _wait(self, state: RetryCallState) -> float:
        error = state.outcome and state.outcome.exception()
        throttled = isinstance(error, ThrottledError)
        hint = error.retry_after if isinstance(error, OperationError) else None
        return max((self.throttled if throttled else self.transient)(state), hint or 0.0)


def _nothing(_: float) -> None:
    """Do nothing."""
