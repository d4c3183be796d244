"""Errors of the simulated service, and the error for a bug in the simulator."""

from __future__ import annotations


class ServiceError(Exception):
    """An error of the service model, with its code (the name of the error shape) and its message.

    Its HTTP status is that of the model, unless `status` replaces it.
    """

    def __init__(self, code: str, message: str, status: int | None = None) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status


class SimulatorBugError(AssertionError):
    """A response that violates the service model."""


def invalid(message: str) -> ServiceError:
    """Return the error for an invalid request."""
    return ServiceError("InvalidRequestException", message)


def invalid_value(parameter: str, reason: str) -> ServiceError:
    """Return the error for an invalid value of a parameter; the service's own texts have this form."""
    message = f"The value supplied for parameter '{parameter}' is not valid. {reason}"
    return ServiceError("InvalidParameterValueException", message)


def invalid_combination(message: str) -> ServiceError:
    """Return the error for parameters that exclude or require each other."""
    return ServiceError("InvalidParameterCombinationException", message)


def not_found(identifier: str) -> ServiceError:
    """Return the error for an unknown id or ARN."""
    return ServiceError(
        "ResourceNotFoundException", f"The resource with identifier '{identifier}' cannot be found."
    )


def in_use(message: str) -> ServiceError:
    """Return the error for a busy resource; the same request may succeed later."""
    return ServiceError("ResourceInUseException", message)


def unknown_operation(name: str) -> ServiceError:
    """Return the error for an operation that the simulator does not know; no SDK retries a 501."""
    message = f"The simulator does not know the operation {name}; a newer version of aioimagebuilder may."
    return ServiceError("UnknownOperationException", message, 501)
