"""moto's table of backends, and the control of the simulator under ``moto.mock_aws``.

moto finds the table as ``moto.imagebuilder.models.imagebuilder_backends``.
"""

from __future__ import annotations

from contextvars import ContextVar

from moto.core.base_backend import BackendDict

from .controller import DEFAULT_ACCOUNT, Control
from .models import ImageBuilderBackend

current_control: ContextVar[Control | None] = ContextVar("current_control", default=None)
"""The control of the server that handles this request; ``None`` under ``moto.mock_aws``."""


class ImageBuilderBackends(BackendDict[ImageBuilderBackend]):
    """The backends under ``moto.mock_aws``, which are those of its control."""

    def __init__(self) -> None:
        self.control = Control()
        # boto3 lists no regions for imagebuilder, so take those of EC2.
        super().__init__(self._get_backend, "ec2")  # type: ignore[arg-type]

    def _get_backend(self, region_name: str, account_id: str) -> ImageBuilderBackend:
        return self.control.backend(account_id, region_name)

    def clear(self) -> None:
        """Discard everything that was done under ``moto.mock_aws``; moto calls it when it resets."""
        super().clear()
        self.control.reset()


imagebuilder_backends = ImageBuilderBackends()


def control() -> Control:
    """Return the control of the simulator under ``moto.mock_aws``; a `Simulator` has its own.

    moto resets it when a ``mock_aws`` starts, so call this inside the mock.
    """
    # moto resets only tables that have been accessed.
    imagebuilder_backends[DEFAULT_ACCOUNT]
    return imagebuilder_backends.control
