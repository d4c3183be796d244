"""Results on standard output: text, or JSON lines with one object per event."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final, TextIO

from ..streams import write_error

# CI systems run "##[error]" and "##vso[task…]" as commands, even inside a JSON string.
_UNSAFE: Final = "##"
_SAFE: Final = r"#\u0023"


class Output:
    """A writer of events as text or JSON.

    Args:
        stream: standard output.
        output_format: ``json`` for JSON lines; anything else for text.
    """

    def __init__(self, stream: TextIO, output_format: str) -> None:
        self._stream = stream
        self._buffer: list[str] | None = None
        self.is_json: bool = output_format == "json"

    @property
    def error(self) -> OSError | None:
        """Why something could not be written; ``None`` if everything was."""
        return write_error(self._stream)

    def emit(self, event: str, members: Mapping[str, object], *lines: str) -> None:
        """Write an event as JSON members, or as lines of escaped text.

        A stream that cannot be written does not end the command: see `error`.

        Raises:
            BrokenPipeError: the reader has closed the stream.
        """
        if not self.is_json:
            for line in lines:
                self._write(line)
            return
        time = datetime.now(UTC).isoformat(timespec="milliseconds")
        text = json.dumps({"event": event, "time": time, **members}, ensure_ascii=True)
        self._write(text.replace(_UNSAFE, _SAFE))

    def hold(self) -> None:
        """Buffer what is written until `release`, while a live view occupies the terminal."""
        self._buffer = []

    def release(self) -> None:
        """Write what was buffered.

        Raises:
            BrokenPipeError: the reader has closed the stream.
        """
        buffered, self._buffer = self._buffer or (), None
        for line in buffered:
            self._write(line)

    def _write(self, line: str) -> None:
        if self._buffer is not None:
            self._buffer.append(line)
            return
        self._stream.write(f"{line}\n")
        # Flushed because readers react to each event.
        self._stream.flush()
        if isinstance(self.error, BrokenPipeError):
            raise self.error
