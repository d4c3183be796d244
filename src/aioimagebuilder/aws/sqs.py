"""The SQS queue that receives the events of Image Builder, through a client that is opened on first use."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Final, NamedTuple
from urllib.parse import urlsplit

import anyio
from botocore import xform_name

from ..errors import ConnectionFailedError, MalformedResponseError
from ..models.redaction import redact_chain
from .call import AwsClient, Response
from .error_mapping import from_botocore
from .session import SessionArguments, check_client

# Seconds; the longest that SQS permits (service model, ReceiveMessageRequest.WaitTimeSeconds).
LONG_POLL: Final = 20
_MAXIMUM_MESSAGES: Final = 10
# Seconds for a response, in addition to the long poll. The timeouts of the HTTP client apply to each read of
# the socket, so a response that trickles in would never exceed them.
_RESPONSE_TIMEOUT: Final = 15.0
_REGION: Final = re.compile(
    r"(?:sqs(?:-fips)?\.([a-z0-9-]+)|([a-z0-9-]+)\.queue)\.(?:amazonaws|api\.aws)\b.*"
)


@dataclass(frozen=True, slots=True)
class SqsHints:
    """Hints from an SQS queue that receives the events of Image Builder from a rule of EventBridge.

    ``aioimagebuilder hints template`` prints a CloudFormation template that creates both. Each client needs a
    queue of its own, since a message reaches only one receiver.

    Attributes:
        queue_url: The URL of the queue.
        client: An open aiobotocore client of ``sqs``. It is not closed. By default one is opened when first
            needed, with the endpoint as for CloudWatch Logs.
    """

    queue_url: str
    client: AwsClient | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.queue_url, str):
            raise TypeError(f"queue_url must be a str, not {type(self.queue_url).__name__}.")
        try:
            parts = urlsplit(self.queue_url)
            is_valid = parts.scheme in {"http", "https"} and bool(parts.hostname) and len(parts.path) > 1
        except ValueError:
            is_valid = False
        if not is_valid or re.search(r"[^!-~]|[@?#]", self.queue_url):
            raise ValueError(
                "The URL of the queue is not that of an SQS queue, such as "
                "https://sqs.eu-west-1.amazonaws.com/123456789012/NAME."
            )
        check_client("client", self.client, "sqs")

    @property
    def region(self) -> str | None:
        """The region of the queue; ``None`` if the URL does not contain it."""
        found = _REGION.fullmatch(urlsplit(self.queue_url).hostname or "")
        return found and (found[1] or found[2])


def check_hints(hints: SqsHints | None, *, has_client: bool) -> None:
    """Check the argument `hints` of a client.

    Args:
        hints: The argument.
        has_client: Whether the client was given an aiobotocore client, rather than how to open one.

    Raises:
        TypeError: It is not an SqsHints.
        ValueError: It lacks a client of ``sqs``, and none can be opened.
    """
    if not isinstance(hints, SqsHints | None):
        raise TypeError(f"hints must be an SqsHints, not {type(hints).__name__}.")
    if has_client and hints is not None and hints.client is None:
        raise ValueError("With client=, hints need a client as well: SqsHints(queue_url, client=…).")


class Message(NamedTuple):
    """A message that was received, and the handle with which it is deleted."""

    body: str
    receipt_handle: str


class SqsQueue:
    """Receives and deletes the messages of a queue. Nothing is retried here.

    It has no rate limiter: a throttle of SQS says nothing about Image Builder, and long polls are rare.

    Args:
        hints: The queue.
        arguments: How to open a client of ``sqs``.
    """

    def __init__(self, hints: SqsHints, arguments: SessionArguments) -> None:
        self.url: Final = hints.queue_url
        self._open_client = arguments.opener(
            "sqs", hints.client, region_name=hints.region, read_timeout=LONG_POLL + _RESPONSE_TIMEOUT
        )
        self._open: tuple[AwsClient, AsyncExitStack] | None = None

    async def receive(self) -> list[Message]:
        """Return up to ten messages; wait for the first for up to twenty seconds.

        Raises:
            OperationError: The call failed, or the client cannot be opened.
            ValueError: The client cannot be opened.
        """
        response = await self._call(
            "ReceiveMessage", MaxNumberOfMessages=_MAXIMUM_MESSAGES, WaitTimeSeconds=LONG_POLL
        )
        messages = response.get("Messages") or ()
        if not isinstance(messages, list | tuple):
            raise MalformedResponseError.create("ReceiveMessage", "Messages is not a list")
        return [message for each in messages if (message := _parse(each)) is not None]

    async def delete(self, messages: Sequence[Message]) -> None:
        """Delete messages. One that cannot be deleted is received again.

        Raises:
            OperationError: The call failed.
        """
        entries = [
            {"Id": str(number), "ReceiptHandle": each.receipt_handle} for number, each in enumerate(messages)
        ]
        await self._call("DeleteMessageBatch", Entries=entries)

    async def aclose(self) -> None:
        """Close the client if one was opened. Nothing may be in flight."""
        if self._open is not None:
            _, stack = self._open
            self._open = None
            with anyio.CancelScope(shield=True):
                await stack.aclose()

    async def _call(self, operation: str, **params: object) -> Response:
        client = await self._client()
        method: Callable[..., Awaitable[Response]] = getattr(client, xform_name(operation))
        try:
            with anyio.move_on_after(LONG_POLL + _RESPONSE_TIMEOUT):
                return await method(QueueUrl=self.url, **params)
        except Exception as error:
            failure, cause = from_botocore(error, operation), redact_chain(error)
            if failure is None:
                raise
            raise failure from cause
        raise ConnectionFailedError.create(operation, "no complete response in time")

    async def _client(self) -> AwsClient:
        if self._open is None:
            assert self._open_client is not None  # noqa: S101 - for the type checker: see `check_hints`
            async with AsyncExitStack() as stack:
                client = await self._open_client(stack)
                self._open = client, stack.pop_all()
        return self._open[0]


def _parse(message: object) -> Message | None:
    if isinstance(message, Mapping):
        body, receipt_handle = message.get("Body"), message.get("ReceiptHandle")
        if isinstance(body, str) and isinstance(receipt_handle, str):
            return Message(body, receipt_handle)
    return None
