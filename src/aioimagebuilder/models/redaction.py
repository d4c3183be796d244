"""Redaction: untrusted text made safe to show, on one line and without secrets.

No message, log line or `repr` may contain credentials, tokens or the signatures of signed URLs. They arrive
in texts of other parties: AWS's front ends echo the request that they refuse, including its headers; the
outputs of a step contain signed URLs; a failing ``credential_process`` prints what it was about to return.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Final

# The service's own reasons have up to 1024 characters; longer texts remain complete on the execution.
_MAXIMUM_LENGTH: Final = 2000
_REDACTED: Final = "[redacted]"
# Everything up to the end of a value in a header, a URL, an ini file, JSON, or the repr of one of them.
_VALUE: Final = r"""[^\s&"'<>,;\\]+"""
# The name of a secret is kept and its value removed. No word boundaries: in a repr, "\n" precedes a word.
# Between them is what XML, JSON (also escaped), a URL, a header, or the repr of a tuple or of bytes has.
_NAMED: Final = rf"""
    (?P<name>
        (?: x-amz-(?:signature|security-token|credential|sso_bearer_token)
          | x-aws-ec2-metadata-token
          | access[_-]?key[_-]?id | secret[_-]?(?:access[_-]?)?key | client[_-]?secret
          | (?:session|security|access|refresh|web[_-]?identity)[_-]?token
        ) (?: %3d | > | \\*["']?\s*[:=]\s*b?\\*["']? | ["']\s*,\s*b?["'] )
      | (?:credential|signature) (?: = | :\s* )
      | authorization\\*["']?\s*[:=,]\s*b?\\*["']?(?:\w+\s+(?={_VALUE}))?
      | bearer\s+
    ) {_VALUE}
"""
# Secrets that are recognized without a name: session tokens of STS, access key ids, the user part of a URL,
# which may contain a slash that is not escaped.
_BARE: Final = r"""
    (?:IQoJ|FwoG|FQoG)[A-Za-z0-9+/=%]{16,}
  | (?<![A-Z0-9])(?:AKIA|ASIA)[A-Z0-9]{16}(?![A-Z0-9])
  | (?<=://)[^\s@"'<>]{1,200}(?=@)
"""
# Each match contains one of these. Most texts contain none and need no search.
_MARKERS: Final = (
    *("x-amz", "credential", "signature", "key", "token", "secret", "authorization", "bearer"),
    *("iqoj", "fwog", "fqog", "akia", "asia", "://"),
)


def redact(text: str) -> str:
    """Return `text` with recognizable secrets replaced."""
    folded = text.casefold()
    if not any(marker in folded for marker in _MARKERS):
        return text
    return _pattern().sub(lambda found: (found["name"] or "") + _REDACTED, text)


def one_line(text: str) -> str:
    """Return untrusted `text` redacted, truncated, and on one line without control characters."""
    shown = redact(text if len(text) <= _MAXIMUM_LENGTH else f"{text[:_MAXIMUM_LENGTH]}…")
    return "".join(char if char.isprintable() else " " for char in shown).strip()


def redact_json(value: object) -> object:
    """Return a JSON value with all of its texts redacted."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, Mapping):
        return {key: redact_json(each) for key, each in value.items()}
    return [redact_json(each) for each in value] if isinstance(value, list) else value


def redact_chain(error: BaseException) -> BaseException | None:
    """Redact the texts that are printed with an exception: its own, and those of its causes and notes.

    Return the exception, which is changed in place; ``None`` if its text cannot be changed. Such an exception
    is removed from the causes of another one.
    """
    return _redact_chain(error, set())


def _redact_chain(error: BaseException, seen: set[int]) -> BaseException | None:
    if id(error) in seen:
        return error
    seen.add(id(error))
    error.args = tuple(redact(each) if isinstance(each, str) else each for each in error.args)
    if notes := getattr(error, "__notes__", None):
        error.__notes__ = [redact(str(each)) for each in notes]
    for name in ("__cause__", "__context__"):
        related = getattr(error, name)
        if related is not None and _redact_chain(related, seen) is None:
            setattr(error, name, None)
    members = error.exceptions if isinstance(error, BaseExceptionGroup) else ()
    texts = (str(error), repr(error))
    is_safe = all(redact(each) == each for each in texts)
    return error if is_safe and all(_redact_chain(each, seen) for each in members) else None


# Compiled on first use, to keep the import fast.
@cache
def _pattern() -> re.Pattern[str]:
    return re.compile(f"{_NAMED} | (?-i:{_BARE})", re.IGNORECASE | re.VERBOSE)
