"""Shorthands for tests over the wire."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError


def refused(code: str, status: int | None = None) -> Any:
    """Expect an error of this code (and HTTP status)."""

    def fits(error: ClientError) -> bool:
        told = error.response["ResponseMetadata"]["HTTPStatusCode"]
        return error.response["Error"]["Code"] == code and status in (None, told)

    return pytest.raises(ClientError, check=fits)


def status_of(client: Any, arn: str) -> str:
    """What GetImage says."""
    return str(client.get_image(imageBuildVersionArn=arn)["image"]["state"]["status"])


def executions(client: Any, arn: str) -> list[dict[str, Any]]:
    """Workflow executions of an image."""
    return list(client.list_workflow_executions(imageBuildVersionArn=arn)["workflowExecutions"])


def steps(client: Any, workflow_execution_id: str) -> dict[str, dict[str, Any]]:
    """Steps of a workflow execution by name."""
    rows = client.list_workflow_step_executions(workflowExecutionId=workflow_execution_id)["steps"]
    return {row["name"]: row for row in rows}
