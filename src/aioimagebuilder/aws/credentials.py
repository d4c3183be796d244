"""Credentials that run out under a wait: what a refusal means to a client that was let in before."""

from __future__ import annotations

import logging
import math
from typing import Final

from ..errors import CredentialsError, CredentialsRefreshError

__all__ = ["Admission"]

_log: Final = logging.getLogger("aioimagebuilder")

# botocore begins to renew temporary credentials 15 minutes before they run out, and fails every call for as
# long as it cannot in the last 10 (botocore.credentials): whatever gives them out may be away that long.
_GRACE: Final = 900.0


class Admission:
    """When AWS last let this client in.

    A refusal of the credentials that comes soon after it is no answer about them for good: they have run
    out between two refreshes, or cannot be refreshed just now, or the clock of this machine is yet to be set
    after its sleep.
    """

    def __init__(self) -> None:
        self._let_in: float = -math.inf
        self._has_lapsed = False

    def succeeded(self, now: float) -> None:
        """Take in that AWS has let the client in."""
        self._let_in = now
        self._has_lapsed = False

    def judge(self, error: CredentialsError, now: float) -> CredentialsError:
        """Get the error that `error` is: one that may pass, if the client was let in not long ago."""
        if now - self._let_in >= _GRACE:
            return error
        passing = CredentialsRefreshError(*error.args)
        vars(passing).update(vars(error))
        if not self._has_lapsed:
            self._has_lapsed = True
            _log.warning("%s They were good before: tried again for %.0f min.", error, _GRACE / 60)
        return passing
