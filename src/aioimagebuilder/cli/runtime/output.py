"""The result on standard output, and nothing else there: text, or JSON lines, one object an event."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final, TextIO

__all__ = ["Output"]

# What stands in a string is then no command to a CI system: "##[error]", "##vso[task…]".
_UNSAFE: Final = "##"
_SAFE: Final = r"#\u0023"


class Output:
    """Writes the result.

    Args:
        stream: standard output.
        form: ``json`` for JSON lines, and anything else for text.
    """

    def __init__(self, stream: TextIO, form: str) -> None:
        self._stream = stream
        self._held: list[str] | None = None
        self.is_json: bool = form == "json"

    def emit(self, event: str, members: Mapping[str, object], *texts: str) -> None:
        """Write an event: as JSON, or as these lines of text, which are escaped already.

        Raises:
            BrokenPipeError: nobody reads any more.
        """
        if not self.is_json:
            for text in texts:
                self._write(text)
            return
        time = datetime.now(UTC).isoformat(timespec="milliseconds")
        line = json.dumps({"event": event, "time": time, **members}, ensure_ascii=True)
        self._write(line.replace(_UNSAFE, _SAFE))

    def hold(self) -> None:
        """Keep what is written until `release`: a live view has the terminal."""
        self._held = []

    def release(self) -> None:
        """Write what was kept.

        Raises:
            BrokenPipeError: nobody reads any more.
        """
        held, self._held = self._held or (), None
        for line in held:
            self._write(line)

    def _write(self, line: str) -> None:
        if self._held is not None:
            self._held.append(line)
            return
        self._stream.write(f"{line}\n")
        # At once: who reads it acts on it.
        self._stream.flush()
