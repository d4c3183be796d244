"""moto's view of the simulator: a backend per account and region.

A backend holds nothing itself. State is in a `Control`: the server's own one, or, under ``moto.mock_aws``,
the one that hangs on moto's table of backends and is reset when moto resets them.
"""

from __future__ import annotations

from contextvars import ContextVar

from moto.core.base_backend import BackendDict, BaseBackend

from ..controller import DEFAULT_ACCOUNT, Control

serving: ContextVar[Control | None] = ContextVar("serving", default=None)
"""The control of the server that serves this request; ``None`` under ``moto.mock_aws``."""


class ImageBuilderBackend(BaseBackend):
    """One account in one region, as moto knows it."""

    url_bases = [r"https?://imagebuilder\.(.+)\.amazonaws\.com"]  # noqa: RUF012

    def reset(self) -> None:
        """Forget everything that was done under ``moto.mock_aws``."""
        imagebuilder_backends.control.reset()
        super().reset()


class ImageBuilderBackends(BackendDict[ImageBuilderBackend]):
    """moto's table of backends, with the control that they share."""

    def __init__(self) -> None:
        # boto3 lists no region for imagebuilder; it is where EC2 is.
        super().__init__(ImageBuilderBackend, "ec2")
        self.control = Control()


imagebuilder_backends = ImageBuilderBackends()


def control() -> Control:
    """Get what steers the simulator under ``moto.mock_aws`` (a `Simulator` has its own).

    moto resets it when a ``mock_aws`` starts, so use it inside.
    """
    # moto resets only what it has seen; looking a backend up makes it see this one.
    imagebuilder_backends[DEFAULT_ACCOUNT]["us-east-1"]
    return imagebuilder_backends.control
