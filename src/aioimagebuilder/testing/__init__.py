"""A simulator of EC2 Image Builder for tests, demonstrations and benchmarks, built as a moto backend.

```python
from aioimagebuilder.testing import Simulator

with Simulator(time_scale=60) as simulator:
    client = boto3.client("imagebuilder", **simulator.client_arguments)
    pipeline = simulator.create_pipeline("demo")
    client.start_image_pipeline_execution(imagePipelineArn=pipeline)
```

Under ``moto.mock_aws``, call `register` once and use `control` to script builds, inject faults and advance
the clock. Requires ``aioimagebuilder[testing]``. The modules of this package are internal.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .imagebuilder.controller import CallRecord, Control
    from .imagebuilder.errors import ServiceError
    from .imagebuilder.faults import Fault
    from .imagebuilder.mock_aws import control
    from .imagebuilder.registration import register
    from .scripts import BuildScript, ComponentFailure, ScanFinding, ScanScript, StepScript, WorkflowScript
    from .simulator import ClientArguments, Simulator

__all__ = [
    "BuildScript",
    "CallRecord",
    "ClientArguments",
    "ComponentFailure",
    "Control",
    "Fault",
    "ScanFinding",
    "ScanScript",
    "ServiceError",
    "Simulator",
    "StepScript",
    "WorkflowScript",
    "control",
    "register",
]

# The names that are not in `scripts`.
_MODULES = {
    "CallRecord": "imagebuilder.controller",
    "ClientArguments": "simulator",
    "Control": "imagebuilder.controller",
    "Fault": "imagebuilder.faults",
    "ServiceError": "imagebuilder.errors",
    "Simulator": "simulator",
    "control": "imagebuilder.mock_aws",
    "register": "imagebuilder.registration",
}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        module = import_module(f"{__name__}.{_MODULES.get(name, 'scripts')}")
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith(__name__):
            raise
        missing = error.name.partition(".")[0]
        raise ImportError(
            f"the simulator requires {missing!r}; run: pip install aioimagebuilder[testing]"
        ) from error
    return getattr(module, name)


def __dir__() -> list[str]:
    return __all__
