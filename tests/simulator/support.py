"""Helpers for tests over the wire."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

COMPONENT_DOCUMENT = """\
schemaVersion: 1.0
phases:
  - name: build
    steps: [{name: Install, action: ExecuteBash, inputs: {commands: [echo installing]}}]
"""
WORKFLOW_DOCUMENT = "{schemaVersion: 1.0, steps: [{name: Check, action: RunCommand}]}"


def raises_error(code: str, status: int | None = None, match: str | None = None) -> Any:
    """Return a context manager that expects an error with a code and, if given, an HTTP status and a text."""

    def matches(error: ClientError) -> bool:
        actual = error.response["ResponseMetadata"]["HTTPStatusCode"]
        return error.response["Error"]["Code"] == code and status in (None, actual)

    return pytest.raises(ClientError, check=matches, match=match)


def get_status(client: Any, arn: str) -> str:
    """Return the status of an image as in GetImage."""
    return str(client.get_image(imageBuildVersionArn=arn)["image"]["state"]["status"])


def list_executions(client: Any, arn: str) -> list[dict[str, Any]]:
    """Return the workflow executions of an image."""
    return list(client.list_workflow_executions(imageBuildVersionArn=arn)["workflowExecutions"])


def get_steps(client: Any, workflow_execution_id: str) -> dict[str, dict[str, Any]]:
    """Return the steps of a workflow execution by name."""
    rows = client.list_workflow_step_executions(workflowExecutionId=workflow_execution_id)["steps"]
    return {row["name"]: row for row in rows}
