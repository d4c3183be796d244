"""Denied calls: who was denied what according to a text of AWS, and what would allow it. No I/O.

Source: the IAM user guide, "Troubleshoot access denied error messages".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Self

from .facts import find_instance

_DENIED: Final = re.compile(r"AccessDenied|not authorized|UnauthorizedOperation", re.IGNORECASE)
_PRINCIPAL: Final = re.compile(r":(assumed-role|role|user)/([\w+=,.@/-]+) is not authorized")
_ACTION: Final = re.compile(r"\bperform: ([\w-]+:\w+)")
_ASSUMED: Final = re.compile(r"\bsts:AssumeRole on resource: (arn:aws[\w-]*:iam::\w*:role/[\w+=,.@/-]+)")
_POLICY: Final = re.compile(r"\b(?:explicit deny in an?|because no) ([\w -]{1,60}?(?:policy|boundary))")
_SERVICE_LINKED: Final = "AWSServiceRoleFor"
_OWN_POLICY: Final = "identity-based policy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Denial:
    """A call that was denied; what the text does not say is ``None``.

    Attributes:
        principal: The name of the role or user.
        session: The name of the role's session.
        action: The action, as IAM names it.
        assumed_role: The role that could not be assumed.
        policy: The kind of policy that denies it, or that does not allow it.
        is_explicit: Whether that policy denies it.
    """

    principal: str | None = None
    session: str | None = None
    action: str | None = None
    assumed_role: str | None = None
    policy: str | None = None
    is_explicit: bool = False

    @classmethod
    def parse(cls, text: str | None) -> Self | None:
        """Return the denial that a text reports; ``None`` if it reports none."""
        if not text or not _DENIED.search(text):
            return None
        found = _PRINCIPAL.search(text)
        names = found[2].split("/") if found else []
        is_session = found is not None and found[1] == "assumed-role" and len(names) > 1
        principal = None if not names else names[0] if is_session else names[-1]
        action, assumed, policy = _ACTION.search(text), _ASSUMED.search(text), _POLICY.search(text)
        return cls(
            principal=principal,
            session=names[-1] if is_session else None,
            action=action[1] if action else None,
            assumed_role=assumed[1] if assumed else None,
            policy=policy[1] if policy else None,
            is_explicit="explicit deny" in text,
        )

    def remedy(self, *, possible_roles: str) -> str:
        """Return what would allow the call.

        Args:
            possible_roles: The roles that it may have been if the text does not name one.
        """
        what = self.action or "the call"
        who = self.principal or "the role"
        if self.policy and (self.is_explicit or self.policy != _OWN_POLICY):
            verb = "denies" if self.is_explicit else "has to allow"
            article = "An" if self.policy[0] in "aeiou" else "A"
            return f"{article} {self.policy} {verb} {what} to {who}: change that policy."
        if self.assumed_role:
            role = self.assumed_role
            return f"The role {role} has to exist, and its trust policy has to allow {who} to assume it."
        if self.principal is None:
            return f"A role lacks a permission: {possible_roles}."
        if self.principal.startswith(_SERVICE_LINKED):
            return (
                f"The service-linked role {who} does not allow {what}, and its permissions cannot be "
                "changed: give the image or pipeline an execution role that allows it, or a workflow "
                "without this step."
            )
        if self.session and self.session == find_instance(self.session):
            return f"The role {who} of the instance profile lacks a permission: allow {what}."
        return f"{who} lacks a permission: allow {what}."
