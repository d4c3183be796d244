"""Errors that the simulated service answers with, and the one that says that the simulator is wrong."""

from __future__ import annotations


class ServiceError(Exception):
    """An error of the service's model: its code (the name of the shape) and its message."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


class SimulatorBugError(AssertionError):
    """The simulator was about to answer what the service's model does not allow."""


def invalid(message: str) -> ServiceError:
    """Get the error of a request that cannot be served as it is."""
    return ServiceError("InvalidRequestException", message)


def not_found(what: str) -> ServiceError:
    """Get the error of an id or ARN that nothing has."""
    return ServiceError(
        "ResourceNotFoundException", f"The resource with identifier '{what}' cannot be found."
    )


def in_use(message: str) -> ServiceError:
    """Get the error of a resource that is busy; the same request may succeed later."""
    return ServiceError("ResourceInUseException", message)
