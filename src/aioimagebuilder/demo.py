"""The demonstration: a build on the embedded simulator, over the real wire, awaited with progress.

``make demo``, or ``python -m aioimagebuilder.demo`` with ``aioimagebuilder[testing]`` installed. It needs no
account and no network.
"""

from __future__ import annotations

import sys
from typing import Final

import anyio
from anyio.abc import TaskGroup

from .client import ImageBuilder
from .errors import ImageBuilderError
from .executions import Image
from .statuses import WorkflowStepExecutionStatus
from .testing import Simulator

__all__ = ["main"]

_TIME_SCALE: Final = 60.0
_CADENCE: Final = 0.2
_TIMEOUT: Final = 300.0


def main() -> int:
    """Run the demonstration, and get the exit code: 0 when the image is AVAILABLE."""
    try:
        return anyio.run(_demonstrate)
    except KeyboardInterrupt:
        print("\ninterrupted; the simulated build ends with the simulator", file=sys.stderr)
        return 130


async def _demonstrate() -> int:
    with Simulator(time_scale=_TIME_SCALE) as simulator:
        print(f"EC2 Image Builder, simulated at {simulator.endpoint_url}: a minute takes a second")
        async with ImageBuilder(
            **simulator.client_arguments, min_delay=_CADENCE, max_delay=2 * _CADENCE
        ) as ib:
            arn = await ib.start_image_pipeline_execution(simulator.create_pipeline("demo"))
            print(f"started {arn}\n")
            try:
                image = await _follow(ib, arn)
            except ImageBuilderError as error:
                print(f"\n{error}", file=sys.stderr)
                return 1
    for ami in image.amis:
        print(f"\n{image.name} {image.version} is {image.status}: {ami.image} in {ami.region}")
    return 0


async def _follow(ib: ImageBuilder, arn: str) -> Image:
    """Show what goes on until the build has ended, and get the image; raises if it failed."""
    clock = _Clock()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_follow_workflows, ib, arn, clock, tasks)
        async for image in ib.watch(arn, timeout=_TIMEOUT):
            clock.show(f"{image.status}")
        tasks.cancel_scope.cancel()
    return await ib.wait_for_image(arn, timeout=0)


async def _follow_workflows(ib: ImageBuilder, arn: str, clock: _Clock, tasks: TaskGroup) -> None:
    followed: set[str] = set()
    # A workflow is listed from when it starts, so the list grows while the image is built.
    while True:
        async for workflow in ib.list_workflow_executions(arn):
            if workflow.id not in followed:
                followed.add(workflow.id)
                tasks.start_soon(_follow_steps, ib, workflow.id, clock)
        await anyio.sleep(_CADENCE)


async def _follow_steps(ib: ImageBuilder, workflow_execution_id: str, clock: _Clock) -> None:
    async for workflow in ib.watch(workflow_execution_id, timeout=_TIMEOUT):
        running = [
            step.name
            async for step in ib.list_workflow_step_executions(workflow_execution_id)
            if step.status == WorkflowStepExecutionStatus.RUNNING
        ]
        clock.show(f"  {workflow.progress}  {workflow.status}  {', '.join(filter(None, running))}")


class _Clock:
    """Shows lines with the simulated time since it was made."""

    def __init__(self) -> None:
        self._started = anyio.current_time()

    def show(self, line: str) -> None:
        simulated = round((anyio.current_time() - self._started) * _TIME_SCALE)
        print(f"{simulated // 60:3}:{simulated % 60:02}  {line.rstrip()}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
