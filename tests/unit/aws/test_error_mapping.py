"""The mapping of errors to exceptions: by code and HTTP status, never by text."""

import botocore.session
import pytest
from botocore import exceptions as botocore_exceptions

from aioimagebuilder import errors
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
        ("SomethingNew", 302, errors.OperationError),
    ],
)
def test_code_and_status_determine_the_class(code, status, cls):
    assert type(from_botocore(aws_error(code, status), "GetImage")) is cls


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
