"""Where the service writes the logs of images and pipelines."""

from datetime import UTC, datetime

import pytest

from aioimagebuilder.models.executions import Image
from aioimagebuilder.models.log_streams import image_log_stream, milliseconds, pipeline_log_group

ARN = "arn:aws:imagebuilder:us-east-1:123456789012:image/web-server/1.0.0/1"


@pytest.mark.parametrize(
    ("image", "stream"),
    [
        ({"arn": ARN, "name": "Web Server"}, "/aws/imagebuilder/Web Server 1.0.0/1"),
        ({"arn": ARN, "name": "x", "loggingConfiguration": {"logGroupName": "/own"}}, "/own 1.0.0/1"),
        ({"arn": ARN, "loggingConfiguration": {}}, "/aws/imagebuilder/web-server 1.0.0/1"),
        ({"arn": "nonsense"}, "None"),
        ({}, "None"),
    ],
)
def test_image_log_stream_has_the_name_and_version(image, stream):
    assert str(image_log_stream(Image.parse(image))) == stream


@pytest.mark.parametrize(
    ("pipeline", "group"),
    [
        ({"name": "My Pipeline"}, "/aws/imagebuilder/pipeline/My Pipeline"),
        ({"name": "x", "loggingConfiguration": {"pipelineLogGroupName": "/own"}}, "/own"),
        ({"loggingConfiguration": 7}, "/aws/imagebuilder/pipeline/my-pipeline"),
    ],
)
def test_pipeline_log_group_has_the_name(pipeline, group):
    arn = "arn:aws:imagebuilder:us-east-1:123456789012:image-pipeline/my-pipeline"
    assert pipeline_log_group(arn, pipeline) == group


def test_milliseconds_are_rounded_up():
    assert milliseconds(datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)) == 1000
    assert milliseconds(datetime(1970, 1, 1, 0, 0, 1, 1, tzinfo=UTC)) == 1001
