"""The tree of exceptions."""

import botocore.session

import aioimagebuilder
from aioimagebuilder import errors

MODEL = botocore.session.get_session().get_service_model("imagebuilder")


def test_errors_of_get_workflow_execution_are_public():
    declared = MODEL.operation_model("GetWorkflowExecution").error_shapes
    assert {each.name for each in declared} == {
        "ServiceException",
        "ClientException",
        "ServiceUnavailableException",
        "InvalidRequestException",
        "ForbiddenException",
        "CallRateLimitExceededException",
    }
    for each in declared:
        assert issubclass(getattr(aioimagebuilder, each.name), aioimagebuilder.OperationError)


def test_three_error_families_are_separate():
    families = (errors.ExecutionFailedError, errors.WaitTimeoutError, errors.ObservationError)
    for one in families:
        assert issubclass(one, errors.ImageBuilderError)
        assert not any(issubclass(one, other) for other in families if other is not one)
    assert issubclass(errors.WaitTimeoutError, TimeoutError)
    assert issubclass(errors.WaitGroupError, ExceptionGroup)
    assert not issubclass(errors.OperationError, errors.ObservationError)
