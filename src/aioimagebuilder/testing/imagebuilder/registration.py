"""Registration of Image Builder with moto, from outside moto."""

from __future__ import annotations

import re
import sys

from botocore import handlers
from moto import backend_index

from . import mock_aws, responses, urls
from .outputs import SERVICES

_PATTERN = re.compile(r"https?://imagebuilder\.(.+)\.amazonaws\.com")


def register() -> None:
    """Register imagebuilder with ``mock_aws`` and moto's servers; repeated calls have no effect."""
    modules = {"": mock_aws, ".models": mock_aws, ".responses": responses, ".urls": urls}
    for name, module in modules.items():
        sys.modules.setdefault(f"moto.imagebuilder{name}", module)
    if all(service != "imagebuilder" for service, _ in backend_index.backend_url_patterns):
        backend_index.backend_url_patterns.append(("imagebuilder", _PATTERN))
        handlers.BUILTIN_HANDLERS.append(("before-call", _perform_due))
        handlers.BUILTIN_HANDLERS.append(("before-call.cloudwatch-logs", _write_due_lines))
        handlers.BUILTIN_HANDLERS.extend((f"before-call.{each}", _write_due_outputs) for each in SERVICES)


def _perform_due(**_: object) -> None:
    """Perform what is due under ``mock_aws`` before a call of any service."""
    mock_aws.imagebuilder_backends.control.perform_due()


def _write_due_lines(**_: object) -> None:
    """Write the log lines of builds under ``mock_aws`` that are due before a CloudWatch Logs call."""
    mock_aws.imagebuilder_backends.control.write_due_lines()


def _write_due_outputs(**_: object) -> None:
    """Write the outputs of images that are due under ``mock_aws`` before a call that may show them."""
    mock_aws.imagebuilder_backends.control.write_due_outputs()
