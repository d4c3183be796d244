"""Which calls answer what is due. No I/O.

Today each execution is asked for by itself, by the Get of its kind. The poller already takes a call to
answer any number of identifiers, and asks singly for what an answer lacks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from .identifiers import Identifier

__all__ = ["Call", "plan"]


@dataclass(frozen=True, slots=True)
class Call:
    """One call to AWS, and what it is to answer.

    Attributes:
        identifier: what is asked for.
        answers: the identifiers that the answer should tell about.
    """

    identifier: Identifier
    answers: tuple[Identifier, ...]


def plan(due: Iterable[Identifier]) -> Iterator[Call]:
    """Get the calls that answer what is `due`, the longest due first."""
    for identifier in due:
        yield Call(identifier, (identifier,))
