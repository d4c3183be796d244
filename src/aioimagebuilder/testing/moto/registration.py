"""Makes moto know Image Builder, from outside."""

from __future__ import annotations

import re
import sys

from botocore import handlers
from moto import backend_index

from .. import build_logs as logs
from . import models, responses, urls

_PATTERN = re.compile(r"https?://imagebuilder\.(.+)\.amazonaws\.com")


def register() -> None:
    """Let moto serve imagebuilder, in ``mock_aws`` and in its servers; calling it again does nothing."""
    modules = {"": models, ".models": models, ".responses": responses, ".urls": urls}
    for name, module in modules.items():
        sys.modules.setdefault(f"moto.imagebuilder{name}", module)
    if all(service != "imagebuilder" for service, _ in backend_index.backend_url_patterns):
        backend_index.backend_url_patterns.append(("imagebuilder", _PATTERN))
        handlers.BUILTIN_HANDLERS.append(("before-call.cloudwatch-logs", _write_due_lines))


def _write_due_lines(**_: object) -> None:
    """Write what the builds under ``mock_aws`` have logged by now, before somebody reads it."""
    logs.flush(models.imagebuilder_backends.control)
