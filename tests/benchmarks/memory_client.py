"""The scripted herd behind the face of an aiobotocore client: no socket, and the event loop's time."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace
from typing import Any, Final

import anyio
from botocore import xform_name
from botocore.exceptions import ClientError
from server import TokenBucket
from workloads import OPERATIONS, REGION, Herd, RefusedError, Spec

__all__ = ["MemoryClient"]

_LATENCY: Final = 0.05


class MemoryClient:
    """Answers as the server does; `latency` seconds of the loop's time after it was asked."""

    meta: Final = SimpleNamespace(region_name=REGION)

    def __init__(self, spec: Spec, *, latency: float = _LATENCY) -> None:
        self.counts: Counter[tuple[str, int]] = Counter()
        self._herd = Herd(spec)
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
                answer = self._answer(operation, params, now)
            except RefusedError as error:
                self.counts[operation, error.status] += 1
                await anyio.sleep(self._latency)
                raise _client_error(error, operation) from None
            self.counts[operation, 200] += 1
            await anyio.sleep(self._latency)
            return {**answer, "ResponseMetadata": {"HTTPStatusCode": 200, "HTTPHeaders": {}}}

        return call

    def _answer(self, operation: str, params: dict[str, Any], now: float) -> dict[str, Any]:
        if self._bucket is not None and not self._bucket.take(now):
            raise RefusedError("CallRateLimitExceededException", 429)
        return self._herd.answer(operation, params, now)

    @property
    def calls(self) -> int:
        """Calls so far, throttled ones included."""
        return self.counts.total()

    @property
    def throttled(self) -> int:
        """How many of them were throttled."""
        return sum(count for (_, status), count in self.counts.items() if status == 429)


def _client_error(error: RefusedError, operation: str) -> ClientError:
    metadata = {"HTTPStatusCode": error.status, "RequestId": "r", "HTTPHeaders": {}}
    said = {"Code": error.code, "Message": f"{error.code}, said the service."}
    return ClientError({"Error": said, "ResponseMetadata": metadata}, operation)
