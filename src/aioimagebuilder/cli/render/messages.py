"""Messages of the library in the terms of the command line: its commands and options."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Sequence
from typing import Final

from ...errors import (
    ExecutionFailedError,
    IdempotentParameterMismatchException,
    OperationError,
    RequestError,
    ResourceNotFoundException,
)
from ...models.redaction import one_line
from .bugs import describe_bug
from .escaping import escape

_TERMS: Final[Sequence[tuple[str, str | Callable[[re.Match[str]], str]]]] = (
    (r'\bresume\("([^"]*)"\)', r"aioimagebuilder approve \1"),
    (r'\bstop\("([^"]*)", reason=[^)]*\)', r"aioimagebuilder reject \1 --reason TEXT"),
    (r"\bstart_image_pipeline_execution\(\)", "aioimagebuilder build"),
    (r"\bwait_for_next_image\(\)", "aioimagebuilder wait --next"),
    (r"\bretry_image\(\)", "aioimagebuilder retry"),
    (r"\blist_([a-z_]+)\(\)", lambda match: f"aws imagebuilder list-{match[1].replace('_', '-')}"),
    (r"^ImageBuilder: ", ""),
    (r'\bUse ImageBuilder\(region_name="([^"]*)"\)', r"Use --region \1"),
    (r" Is the client closed already\?", ""),
    (r'\bon_timeout="cancel"', "--on-timeout cancel"),
    (r'\bon_waiting_step="raise"', "--on-waiting-step raise"),
    (r"\bregion_name=", "--region"),
    (r"\bprofile_name=(?: or session=)?", "--profile"),
    (r"\b(min|max)_delay=", r"--\1-delay "),
    (r"\b(min|max)_delay\b", r"--\1-delay"),
    (r"\bendpoint_url\b", "--endpoint-url"),
    (r"\bclient_token\b", "--client-token"),
    (r"\btimeout (?=must be )", "--timeout "),
)
_RETRY_ADVICE: Final = (
    "Only an AMI that failed or was cancelled in its test or distribution phase can be retried: otherwise "
    "build its pipeline again."
)


def translate_message(message: str) -> str:
    """Return a message of the library with Python calls and arguments replaced. Untrusted text."""
    for pattern, replacement in _TERMS:
        message = re.sub(pattern, replacement, message)
    return message


def message_of(error: Exception) -> str:
    """Return the message of an error in the terms of the command line. Untrusted text."""
    # The message of a failed execution quotes the service, whose words stay as they are.
    if isinstance(error, ExecutionFailedError):
        return str(error)
    advice = f" {_RETRY_ADVICE}" if isinstance(error, OperationError) and _is_retry_refused(error) else ""
    return translate_message(str(error)) + advice


def format_record(record: logging.LogRecord) -> str:
    """Return a record of a logger, the exception included, as one line. Escaped text."""
    try:
        message = record.getMessage()
    except (TypeError, ValueError):
        message = str(record.msg)
    if record.name.partition(".")[0] == "aioimagebuilder":
        message = translate_message(message)
    else:
        message = f"{record.name}: {message}"
    error = record.exc_info[1] if record.exc_info else None
    cause = f" ({describe_bug(error)})" if error is not None else ""
    return f"{escape(one_line(message))}{cause}"


def _is_retry_refused(error: OperationError) -> bool:
    others = (IdempotentParameterMismatchException, ResourceNotFoundException)
    return (
        error.operation == "RetryImage" and isinstance(error, RequestError) and not isinstance(error, others)
    )
