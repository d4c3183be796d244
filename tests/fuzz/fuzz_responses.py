"""A coverage-guided fuzzer: mutates responses of the service until one crashes the code that reads it.

Run it with ``make fuzz SECONDS=60``. It stores its corpus and its findings in ``.fuzz/``. To reproduce a
finding, run ``.venv/bin/python tests/fuzz/fuzz_responses.py .fuzz/crash-…``.
"""

import atexit
import contextlib
import sys
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).parents[1]))
with atheris.instrument_imports(include=["aioimagebuilder", "botocore.parsers", "aiobotocore.parsers"]):
    from aioimagebuilder.models.identifiers import Identifier
    from aioimagebuilder.models.parsing import parse_time
    from fuzz.responses import API_CALLS, COMPOSED_CALLS, Response, ResponseReader
    from fuzz.samples import sample_bodies

_STATUSES = (200, 400, 403, 404, 429, 500, 503, 302, 204)
_HEADERS: tuple[dict[str, str], ...] = (
    {},
    {"x-amzn-ErrorType": "ClientException"},
    {"x-amzn-RequestId": "\x1b[2J", "x-amz-retry-after": "9" * 400},
    {"retry-after": "9" * 5000},
    {"content-type": "application/x-amz-json-1.1", "x-amzn-query-error": "a;b"},
)
_CALLS = {**API_CALLS, **COMPOSED_CALLS}
_NAMES = tuple(_CALLS)
# Parsers of untrusted text that is not a response; the first byte chooses them after the calls.
_PARSERS = (Identifier.parse, parse_time)


def fuzz_one(data: bytes) -> None:
    """Read one response. The first three bytes choose the call, the status and the headers."""
    if len(data) < 3:
        return
    chosen, status, headers, body = data[0], data[1], data[2], data[3:]
    chosen %= len(_NAMES) + len(_PARSERS)
    if chosen < len(_NAMES):
        response = Response(_STATUSES[status % len(_STATUSES)], body, dict(_HEADERS[headers % len(_HEADERS)]))
        _reader.read(_CALLS[_NAMES[chosen]], response)
        return
    text = body.decode("utf-8", "surrogateescape" if status % 2 else "replace")
    with contextlib.suppress(ValueError, OverflowError):
        _PARSERS[chosen - len(_NAMES)](text)


def _write_seeds(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(_NAMES):
        for sample, body in enumerate(sample_bodies(_CALLS[name].operation)):
            (folder / f"{name}-{sample}").write_bytes(bytes([number, 0, 0]) + body)
        (folder / f"{name}-error").write_bytes(
            bytes([number, 4, 1]) + b'{"__type":"a.b#CallRateLimitExceededException:x","message":"m"}'
        )
    for number, text in enumerate(("arn:aws:imagebuilder:us-east-1:123456789012:image/a/1.0.0/1", "wf-")):
        (folder / f"identifier-{number}").write_bytes(bytes([len(_NAMES), 0, 0]) + text.encode())
    for number, text in enumerate(("2026-09-09T19:12:23.000Z", "Sep 9, 2026 7:12:23 PM")):
        (folder / f"time-{number}").write_bytes(bytes([len(_NAMES) + 1, 0, 0]) + text.encode())


def _write_dictionary(path: Path) -> None:
    words = {
        word for call in _CALLS.values() for body in sample_bodies(call.operation) for word in _words(body)
    }
    words |= {b'"__type"', b"null", b"true", b"1e400", b"-1", b"NaN", b"[]", b"{}", b"\\u0000", b"\\ud800"}
    path.write_text("".join(f'"{_escaped(word)}"\n' for word in sorted(words)))


def _words(body: bytes) -> list[bytes]:
    return [b'"%s"' % word for word in body.split(b'"')[1::2] if word]


def _escaped(word: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in word)


if __name__ == "__main__":
    _reader = ResponseReader()
    _reader.__enter__()  # without `with`, since libFuzzer ends the process by exit()
    atexit.register(_reader.__exit__, None, None, None)
    arguments = sys.argv[1:]
    home = Path(".fuzz")
    options = [f"-dict={home}/dictionary", f"-artifact_prefix={home}/", "-print_final_stats=1"]
    if all(each.startswith("-") for each in arguments):
        (home / "corpus").mkdir(parents=True, exist_ok=True)
        _write_seeds(home / "seeds")
        arguments += [str(home / "corpus"), str(home / "seeds")]
    home.mkdir(exist_ok=True)
    _write_dictionary(home / "dictionary")
    atheris.Setup(
        [sys.argv[0], *options, "-max_len=8192", "-timeout=20", "-rss_limit_mb=2048", *arguments], fuzz_one
    )
    atheris.Fuzz()
