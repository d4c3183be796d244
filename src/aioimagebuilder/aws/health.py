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
from ..instrumentation.emitter import Emitter, text_of
from ..instrumentation.events import OutageBegan, OutageEnded

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

    Args:
        emitter: Delivers events.
    """

    def __init__(self, emitter: Emitter) -> None:
        self._emitter = emitter
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
            text = "%s This may be temporary: retrying for up to %.0f minutes."
            self._emitter.notice(logging.WARNING, text, error, minutes)
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
    """Reports when no call of a client has succeeded for a while, and when the outage is over.

    Args:
        emitter: Delivers events.
        service: The service, as events name it.
    """

    def __init__(self, emitter: Emitter, service: str) -> None:
        self._emitter = emitter
        self._service = service
        self._began_at: float | None = None
        self._report_at = math.inf
        self._is_reported = False

    def failed(self, error: OperationError, now: float, *, sent: float) -> None:
        """Record a call, made at the time `sent`, that failed temporarily."""
        if self._began_at is None:
            self._began_at = sent
            self._report_at = sent + _OUTAGE_REPORTED_AFTER
        if now >= self._report_at:
            self._report(error, now - self._began_at)
            self._report_at = now + _OUTAGE_REPORTED_EVERY
            self._is_reported = True

    def answered(self, now: float) -> None:
        """Record that the service has responded."""
        if self._is_reported and self._began_at is not None:
            self._emitter.emit(
                OutageEnded(region=self._emitter.region, service=self._service, duration=now - self._began_at)
            )
        self._began_at = None
        self._is_reported = False

    def _report(self, error: OperationError, duration: float) -> None:
        if self._is_reported:
            self._emitter.notice(logging.WARNING, "No call has succeeded for %.0f s: %s", duration, error)
        elif self._emitter.wants(logging.WARNING):
            self._emitter.emit(
                OutageBegan(
                    region=self._emitter.region,
                    service=self._service,
                    duration=duration,
                    error=text_of(error),
                    error_type=type(error).__name__,
                )
            )
