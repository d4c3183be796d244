"""Protection of a wait from bugs in what shows its progress."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Final

from ..render.bugs import describe_bug

_log: Final = logging.getLogger("aioimagebuilder")


async def protect(show: Callable[[], Awaitable[None]]) -> None:
    """Show progress; a bug in it is logged, and does not end the wait.

    Raises:
        BrokenPipeError: the reader of standard output has closed it.
    """
    try:
        await show()
    except BrokenPipeError:
        raise
    except Exception as error:  # noqa: BLE001 - the result of the wait matters more
        _log.warning("The progress is no longer shown, because of a bug: %s", describe_bug(error))
