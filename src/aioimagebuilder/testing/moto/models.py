"""The moto backend: one instance for each account and region.

A backend holds no state. The state is in a `Control`: the server's own, or, under ``moto.mock_aws``, the one
that belongs to moto's table of backends and is reset with them.
"""

from __future__ import annotations

from contextvars import ContextVar

from moto.core.base_backend import BackendDict, BaseBackend

from ..controller import DEFAULT_ACCOUNT, Control

current_control: ContextVar[Control | None] = ContextVar("current_control", default=None)
"""The control of the server that handles this request; ``None`` under ``moto.mock_aws``."""


class ImageBuilderBackend(BaseBackend):
    """The backend of one account in one region."""

    url_bases = [r"https?://imagebuilder\.(.+)\.amazonaws\.com"]  # noqa: RUF012

    def reset(self) -> None:
        """Discard everything that was done under ``moto.mock_aws``."""
        imagebuilder_backends.control.reset()
        super().reset()


class ImageBuilderBackends(BackendDict[ImageBuilderBackend]):
    """moto's table of backends, with the control that they share."""

    def __init__(self) -> None:
        # boto3 lists no regions for imagebuilder, so take those of EC2.
        super().__init__(ImageBuilderBackend, "ec2")
        self.control = Control()


imagebuilder_backends = ImageBuilderBackends()


def control() -> Control:
    """Return the control of the simulator under ``moto.mock_aws``; a `Simulator` has its own.

    moto resets it when a ``mock_aws`` starts, so call this inside the mock.
    """
    # moto resets only backends that have been accessed.
    imagebuilder_backends[DEFAULT_ACCOUNT]["us-east-1"]
    return imagebuilder_backends.control


def reset(control: Control) -> None:
    """Discard the state of a simulator and of moto's other services."""
    BackendDict.reset()
    control.reset()
