"""Registration of Image Builder with moto, from outside moto."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable

from botocore import handlers
from moto import backend_index

from . import mock_aws, responses, urls
from .controller import Control
from .outputs import SERVICES


def register() -> None:
    """Register imagebuilder with ``mock_aws`` and moto's servers; repeated calls have no effect."""
    modules = {"": mock_aws, ".models": mock_aws, ".responses": responses, ".urls": urls}
    for name, module in modules.items():
        sys.modules.setdefault(f"moto.imagebuilder{name}", module)
    if all(service != "imagebuilder" for service, _ in backend_index.backend_url_patterns):
        backend_index.backend_url_patterns.append(("imagebuilder", re.compile(urls.url_bases[0])))
        calls = {
            "before-call": Control.perform_due,
            "before-call.cloudwatch-logs": Control.write_due_lines,
            **{f"before-call.{each}": Control.write_due_outputs for each in SERVICES},
        }
        handlers.BUILTIN_HANDLERS.extend((event, _handle(method)) for event, method in calls.items())


def _handle(method: Callable[[Control], None]) -> Callable[..., None]:
    """Return a handler of an event that calls a method of the control under ``mock_aws``."""

    def handle(**_: object) -> None:
        method(mock_aws.imagebuilder_backends.control)

    return handle
