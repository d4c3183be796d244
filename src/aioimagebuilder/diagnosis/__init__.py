"""Why something failed: evidence is gathered, causes are ranked, and a report is made.

Data flows one way:

    gathering (I/O) → evidence → causes, hints → conclusion → report → rendering
"""

from .conclusion import conclude
from .evidence import Source, SourceState
from .gathering import Gatherer
from .report import Diagnosis
from .root_cause import CauseKind, FailedComponent, FailedTarget, Place, RootCause

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
