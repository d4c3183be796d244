"""The standard streams, whatever they are connected to: writing to them never raises.

A stream may be closed, a full disk, or a pipe without a reader. Python raises an error at the write, or at
its own exit, where it replaces the exit code. Here the first error of a stream is recorded instead.
"""

from __future__ import annotations

import contextlib
import io
import os
import select
import sys
from collections.abc import Iterator
from typing import Final, TextIO

_ENCODING: Final = "utf-8"


class RecordingFile(io.FileIO):
    """A file to write to, which records its first error, and discards what it cannot write."""

    error: OSError | None = None

    def write(self, data: bytes | memoryview, /) -> int:  # type: ignore[override]
        try:
            # None if the file is a pipe that does not block, and is full.
            while (count := super().write(data)) is None:
                select.select([], [self], [])
        except OSError as error:
            self.error = self.error or error
            return len(data)
        return count


def write_error(stream: TextIO) -> OSError | None:
    """Return the first error of writing to a stream of `recorded_streams`."""
    file = getattr(getattr(stream, "buffer", None), "raw", None)
    return file.error if isinstance(file, RecordingFile) else None


@contextlib.contextmanager
def recorded_streams() -> Iterator[None]:
    """Replace the standard streams by streams that record their errors, and escape what they cannot encode.

    A closed stream is opened, so that no other file gets its number, but cannot be read or written.
    """
    before = sys.stdin, sys.stdout, sys.stderr
    # Python sets a closed stream to None.
    if sys.stdin is None:
        sys.stdin = open(os.open(os.devnull, os.O_WRONLY), encoding=_ENCODING, closefd=False)  # noqa: SIM115
    sys.stdout = _recorded(sys.stdout)
    sys.stderr = _recorded(sys.stderr)
    try:
        yield
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        sys.stdin, sys.stdout, sys.stderr = before


def _recorded(stream: TextIO | None) -> TextIO:
    if stream is None:
        descriptor, encoding = os.open(os.devnull, os.O_RDONLY), _ENCODING
    elif isinstance(stream, io.TextIOWrapper) and type(_file_of(stream)) is io.FileIO:
        with contextlib.suppress(OSError):
            stream.flush()
        descriptor, encoding = stream.fileno(), stream.encoding
    else:
        # A console of Windows, or not a file.
        return stream
    file: io.FileIO = RecordingFile(descriptor, "wb", closefd=False)
    return io.TextIOWrapper(
        io.BufferedWriter(file), encoding=encoding, errors="backslashreplace", line_buffering=True
    )


def _file_of(stream: io.TextIOWrapper) -> object:
    return getattr(stream.buffer, "raw", stream.buffer)
