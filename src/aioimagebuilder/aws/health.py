"""The health of a client: credentials that expire during a wait, and outages."""

from __future__ import annotations

import logging
import math
from typing import Final

from ..errors import (
    CertificateError,
    ConnectionFailedError,
    CredentialsError,
    CredentialsRefreshError,
    OperationError,
)

_log: Final = logging.getLogger("aioimagebuilder")

# botocore starts to refresh temporary credentials 15 minutes before they expire, and fails every call for as
# long as it cannot during the last 10 (botocore.credentials). The provider of the credentials may be
# unavailable for so long.
_REFRESH_PERIOD: Final = 900.0
# Shorter outages are not reported; longer ones are reported again.
_OUTAGE_REPORTED_AFTER: Final = 10.0
_OUTAGE_REPORTED_EVERY: Final = 300.0


class CredentialsHealth:
    """Whether rejections of the credentials of a client may be temporary.

    They may be for a while if the credentials were accepted before: they have expired between two refreshes,
    cannot be refreshed at the moment, or the clock of the machine has not been set yet after it slept. And
    they may be if the provider of the credentials is only throttled or unavailable.
    """

    def __init__(self) -> None:
        self._were_accepted = False
        self._rejected_since: float | None = None

    def accepted(self, sent: float) -> None:
        """Record that the credentials of a call that was made at the time `sent` were accepted."""
        self._were_accepted = True
        if self._rejected_since is not None and sent >= self._rejected_since:
            self._rejected_since = None

    def rejected(self, error: CredentialsError, now: float) -> CredentialsError:
        """Return `error`, as a CredentialsRefreshError if and only if the rejection may be temporary."""
        is_unavailable = isinstance(error, CredentialsRefreshError)
        if not self._were_accepted and self._rejected_since is None and not is_unavailable:
            return error
        if self._rejected_since is None:
            self._rejected_since = now
            minutes = _REFRESH_PERIOD / 60
            _log.warning("%s This may be temporary: retrying for up to %.0f minutes.", error, minutes)
        has_lasted = now - self._rejected_since >= _REFRESH_PERIOD
        return error.converted(CredentialsError if has_lasted else CredentialsRefreshError)


class CertificateHealth:
    """Whether the certificate of the endpoint was trusted before.

    Args:
        ca_bundle: The file with which certificates are verified; ``None`` if it is not known.
    """

    def __init__(self, ca_bundle: str | None) -> None:
        self._ca_bundle = ca_bundle
        self._was_accepted = False

    def accepted(self) -> None:
        """Record that the certificate was trusted."""
        self._was_accepted = True

    def rejected(self, error: CertificateError) -> OperationError:
        """Return `error`, as a ConnectionFailedError if the certificate was trusted before.

        Then it is being replaced, or something else responds for a while.
        """
        if self._was_accepted:
            return error.converted(ConnectionFailedError)
        if self._ca_bundle is not None:
            error.args = (f"{error} Certificates are verified with {self._ca_bundle}.",)
        return error


class OutageMonitor:
    """Logs a warning when no call of a client has succeeded for a while, and when the outage is over."""

    def __init__(self) -> None:
        self._began_at: float | None = None
        self._report_at = math.inf
        self._is_reported = False

    def failed(self, error: OperationError, now: float, *, sent: float) -> None:
        """Record a call, made at the time `sent`, that failed temporarily."""
        if self._began_at is None:
            self._began_at = sent
            self._report_at = sent + _OUTAGE_REPORTED_AFTER
        if now >= self._report_at:
            _log.warning("No call has succeeded for %.0f s: %s", now - self._began_at, error)
            self._report_at = now + _OUTAGE_REPORTED_EVERY
            self._is_reported = True

    def answered(self, now: float) -> None:
        """Record that the service has responded."""
        if self._is_reported and self._began_at is not None:
            _log.warning("The service responds again after %.0f s", now - self._began_at)
        self._began_at = None
        self._is_reported = False
