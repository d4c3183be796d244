"""The mapping of errors to exceptions: by code and HTTP status, never by text."""

import botocore.session
import pytest
from botocore import exceptions as botocore_exceptions
from botocore.retries.standard import ThrottledRetryableChecker, TransientRetryableChecker

from aioimagebuilder import errors
from aioimagebuilder.aws.backoff import TRANSIENT_ERRORS
from aioimagebuilder.aws.error_mapping import from_botocore
from support.scripted_service import aws_error

MODEL = botocore.session.get_session().get_service_model("imagebuilder")
MODELLED = [MODEL.shape_for(name) for name in MODEL.shape_names if name.endswith("Exception")]


@pytest.mark.parametrize("shape", MODELLED, ids=lambda shape: shape.name)
def test_every_modeled_exception_has_a_class_of_its_name(shape):
    cause = aws_error(shape.name, shape.metadata["error"]["httpStatusCode"])
    error = from_botocore(cause, "GetImage")
    assert type(error) is getattr(errors, shape.name)
    assert (error.operation, error.code, error.request_id) == ("GetImage", shape.name, "req-1")
    assert error.status_code == shape.metadata["error"]["httpStatusCode"]


@pytest.mark.parametrize(
    ("code", "status", "cls"),
    [
        ("429", 429, errors.ThrottledError),
        ("Unknown", 429, errors.ThrottledError),
        ("ThrottlingException", 400, errors.ThrottledError),
        ("ClientException", 429, errors.ThrottledError),
        ("TooManyRequestsException", 429, errors.TooManyRequestsException),
        ("503", 503, errors.ServerError),
        ("ClientException", 500, errors.ServerError),
        ("ServiceException", 503, errors.ServiceException),
        ("404", 404, errors.ResourceNotFoundException),
        ("Whatever", 403, errors.AccessDeniedException),
        ("AccessDenied", 403, errors.AccessDeniedException),
        ("ExpiredTokenException", 403, errors.CredentialsError),
        ("UnrecognizedClientException", 400, errors.CredentialsError),
        ("SomethingNew", 418, errors.RequestError),
        ("SimulatorBug", 501, errors.RequestError),
        ("RequestTimeout", 400, errors.ServerError),
        ("RequestTimeoutException", 403, errors.ServerError),
        ("InternalFailure", 400, errors.ServerError),
        ("SomethingNew", 408, errors.ServerError),
        ("SomethingNew", 421, errors.ServerError),
        ("SomethingNew", 425, errors.ServerError),
        ("RequestTimeout", 429, errors.ThrottledError),
        ("SlowDown", 503, errors.ThrottledError),
        ("ThrottlingException", 500, errors.ThrottledError),
        ("EC2ThrottledException", 404, errors.ThrottledError),
        ("ResourceNotFoundException", 301, errors.MalformedResponseError),
        ("SomethingNew", 308, errors.MalformedResponseError),
        ("SomethingNew", 101, errors.OperationError),
    ],
)
def test_code_and_status_determine_the_class(code, status, cls):
    assert type(from_botocore(aws_error(code, status), "GetImage")) is cls


@pytest.mark.parametrize("status", [200, 302, 400, 403, 404, 409, 413, 500, 503])
def test_all_that_botocore_retries_is_retried(status):
    throttles = ThrottledRetryableChecker._THROTTLED_ERROR_CODES
    transient = TransientRetryableChecker._TRANSIENT_ERROR_CODES
    assert len(throttles) > 10
    assert len(transient) > 1
    for code in throttles:
        found = from_botocore(aws_error(code, 400 if status == 302 else status), "GetImage")
        assert isinstance(found, errors.ThrottledError), code
    for code in transient:
        found = from_botocore(aws_error(code, status), "GetImage")
        assert isinstance(found, TRANSIENT_ERRORS), code


def test_every_status_and_exception_that_botocore_retries_is_retried():
    for status in TransientRetryableChecker._TRANSIENT_STATUS_CODES:
        assert isinstance(from_botocore(aws_error("Unknown", status), "GetImage"), TRANSIENT_ERRORS)
    bases = TransientRetryableChecker._TRANSIENT_EXCEPTION_CLS
    arguments = {
        "endpoint_url": "https://x",
        "proxy_url": "x",
        "error": "y",
        "request": None,
        "response": None,
    }
    classes = [
        each
        for each in vars(botocore_exceptions).values()
        if isinstance(each, type) and issubclass(each, bases)
    ]
    assert len(classes) > 8
    for cls in classes:
        assert isinstance(from_botocore(cls(**arguments), "GetImage"), TRANSIENT_ERRORS), cls


def test_every_operation_retries_what_the_model_marks_as_retryable():
    marked = [shape.name for shape in MODELLED if "retryable" in shape.metadata]
    assert all(issubclass(getattr(errors, name), TRANSIENT_ERRORS) for name in marked)


@pytest.mark.parametrize(
    ("code", "status", "cls"),
    [
        ("AccessDenied", 403, errors.CredentialsError),
        ("ResourceNotFoundException", 404, errors.CredentialsError),
        ("InvalidIdentityToken", 400, errors.CredentialsError),
        ("IDPCommunicationError", 400, errors.CredentialsError),
        ("Throttling", 400, errors.CredentialsRefreshError),
        ("InternalFailure", 500, errors.CredentialsRefreshError),
    ],
)
def test_error_of_a_credentials_call_is_a_credentials_error(code, status, cls):
    cause = aws_error(code, status, operation="AssumeRoleWithWebIdentity")
    error = from_botocore(cause, "GetImage")
    assert type(error) is cls
    assert (error.operation, error.code, error.status_code) == ("GetImage", None, None)
    assert "AssumeRoleWithWebIdentity" in str(error)
    assert code in str(error)


def test_text_of_an_error_is_ignored():
    message = "Throttling: Rate exceeded, CallRateLimitExceededException 503"
    error = from_botocore(aws_error("ForbiddenException", 403, message=message), "GetImage")
    assert type(error) is errors.ForbiddenException


@pytest.mark.parametrize(
    ("cause", "cls"),
    [
        (botocore_exceptions.NoCredentialsError(), errors.CredentialsError),
        (botocore_exceptions.CredentialRetrievalError(provider="x", error_msg="y"), errors.CredentialsError),
        (botocore_exceptions.TokenRetrievalError(provider="x", error_msg="y"), errors.CredentialsError),
        (botocore_exceptions.UnauthorizedSSOTokenError(), errors.CredentialsError),
        (botocore_exceptions.EndpointConnectionError(endpoint_url="x"), errors.ConnectionFailedError),
        (botocore_exceptions.ConnectTimeoutError(endpoint_url="x"), errors.ConnectionFailedError),
        (botocore_exceptions.ReadTimeoutError(endpoint_url="x"), errors.ConnectionFailedError),
        (botocore_exceptions.ConnectionClosedError(endpoint_url="x"), errors.ConnectionFailedError),
        (botocore_exceptions.HTTPClientError(error="x"), errors.ConnectionFailedError),
        (botocore_exceptions.ProxyConnectionError(proxy_url="x"), errors.ConnectionFailedError),
        (botocore_exceptions.SSLError(endpoint_url="x", error="y"), errors.ConnectionFailedError),
        (botocore_exceptions.ParamValidationError(report="x"), errors.ParameterValidationError),
        (
            botocore_exceptions.UnknownServiceError(service_name="x", known_service_names=[]),
            errors.RequestError,
        ),
    ],
)
def test_botocore_errors_without_a_response_are_mapped(cause, cls):
    error = from_botocore(cause, "GetImage")
    assert type(error) is cls
    assert (error.code, error.status_code, error.retry_after) == (None, None, None)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"x-amz-retry-after": "1500"}, 1.5),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}, None),
        ({"retry-after": "-1"}, None),
        ({"x-amz-retry-after": "²"}, None),
        ({}, None),
    ],
)
def test_retry_hint_is_parsed(headers, seconds):
    assert from_botocore(aws_error("X", 429, headers=headers), "GetImage").retry_after == seconds


def test_empty_error_response_is_an_operation_error():
    error = from_botocore(botocore_exceptions.ClientError({}, "GetImage"), "GetImage")
    assert type(error) is errors.OperationError
    assert "no message" in str(error)


@pytest.mark.parametrize("digits", [10, 400, 5000])
@pytest.mark.parametrize("header", ["retry-after", "x-amz-retry-after"])
def test_long_retry_hint_is_limited_to_one_minute(header, digits):
    error = from_botocore(aws_error("X", 429, headers={header: "9" * digits}), "GetImage")
    assert error.retry_after == 60.0
