"""Text of others, made fit to be shown: in one line, and without its secrets.

No message, log line or `repr` may show credentials, tokens, and the signatures of signed URLs. They come in
texts of others: AWS's front ends repeat the request that they refuse, with its headers; a step's outputs name
signed URLs; a ``credential_process`` complains with what it had to give.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Final

__all__ = ["one_line", "redact"]

# The service's own reasons have up to 1024 characters; what is longer stands whole on the execution.
_LONGEST: Final = 2000
_HIDDEN: Final = "[redacted]"
# Up to what ends a value in a header, a URL, an ini file, JSON, or the repr of any of them.
_VALUE: Final = r"""[^\s&"'<>,;\\]+"""
# What names a secret is kept; the secret after it is not. No word boundaries: a repr puts "\n" before a word.
_NAMED: Final = rf"""
    (?P<name>
        x-amz-(?:signature|security-token|credential) (?:=|%3d|["']?\s*:\s*["']?)
      | (?:credential|signature) =
      | (?:access_?key_?id|secret_?(?:access_?)?key|session_?token|security_?token)
            ["']?\s*[:=]\s*["']?
      | authorization["']?\s*[:=]\s*["']?(?:\w+\s+(?={_VALUE}))?
      | bearer\s+
    ) {_VALUE}
"""
# What shows by itself what it is: a session token of STS, the id of an access key, the user part of a URL.
_BARE: Final = r"""
    (?:IQoJ|FwoG|FQoG)[A-Za-z0-9+/=%]{16,}
  | (?<![A-Z0-9])(?:AKIA|ASIA)[A-Z0-9]{16}(?![A-Z0-9])
  | (?<=://)[^/\s@"']+(?=@)
"""
# One of them is in whatever the patterns find. Most texts have none, and need not be searched.
_SIGNS: Final = (
    *("x-amz", "credential", "signature", "key", "token", "authorization", "bearer"),
    *("iqoj", "fwog", "fqog", "akia", "asia", "://"),
)


def redact(text: str) -> str:
    """Get `text` without the secrets in it that can be told."""
    folded = text.casefold()
    if not any(sign in folded for sign in _SIGNS):
        return text
    return _pattern().sub(lambda found: (found["name"] or "") + _HIDDEN, text)


def one_line(text: str) -> str:
    """Get untrusted `text` as one line that can neither move a cursor nor forge a line.

    It is not too long, and shows no secret.
    """
    shown = redact(text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…")
    if shown.isprintable():
        return shown.strip()
    return "".join(char if char.isprintable() else " " for char in shown).strip()


# Compiled when it is first needed, so that importing costs nothing.
@cache
def _pattern() -> re.Pattern[str]:
    return re.compile(f"{_NAMED} | (?-i:{_BARE})", re.IGNORECASE | re.VERBOSE)
