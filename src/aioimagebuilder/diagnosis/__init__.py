"""Why something failed: evidence is gathered, causes are ranked, and a report is made.

Data flows one way:

    gathering (I/O) → evidence → causes, hints → conclusion → report → rendering
"""

from ..models.causes import CauseKind, FailedComponent, FailedTarget, Place, RootCause
from ..models.diagnosis import Diagnosis
from .collector import Gatherer
from .conclusion import conclude
from .evidence import Source, SourceState

__all__ = [
    "CauseKind",
    "Diagnosis",
    "FailedComponent",
    "FailedTarget",
    "Gatherer",
    "Place",
    "RootCause",
    "Source",
    "SourceState",
    "conclude",
]
