"""The commands of the command line, with their arguments and help.

The module of a command is imported when the command runs, which keeps help and completion fast.
"""

from __future__ import annotations

from importlib import import_module
from typing import Final

import click

from .options import (
    cancel_options,
    check_length,
    check_rate,
    clock_options,
    connection_options,
    display_options,
    log_options,
    option,
    timeline_options,
    wait_options,
)

_EXIT_CODES: Final = """\
\b
Exit codes:
  0    succeeded
  1    failed
  2    invalid command line
  3    cancelled at AWS
  4    could not be observed or started: credentials, permissions, not found
  5    has a waiting step (with --on-waiting-step raise)
  70   internal error of aioimagebuilder: a bug, which says nothing of the execution
  74   succeeded, but the result could not be written
  124  timed out; the execution continues at AWS
  130  interrupted (Ctrl-C); the execution continues at AWS
  141  the reader of standard output has closed it
  143  terminated (SIGTERM); the execution continues at AWS
For several executions, the most severe exit code is returned, in the order
1, 3, 4, 5, 124.
"""
_TIME_SCALE: Final = "Simulated seconds per real second."
_COMPLETION_SETUP: Final = """\
\b
Load the script in your shell:
  bash:  eval "$(aioimagebuilder completion bash)"
  zsh:   eval "$(aioimagebuilder completion zsh)"
  fish:  aioimagebuilder completion fish | source
"""


class _MissingExtraError(click.ClickException):
    exit_code = 2


def _run_command(module: str, function: str, **arguments: object) -> int:
    try:
        command = getattr(import_module(f"{__package__}.commands.{module}"), function)
    except ImportError as error:
        if (extras := _missing_extras(error, module)) is None:
            raise
        install = f"pip install 'aioimagebuilder[{extras}]'"
        raise _MissingExtraError(f"aioimagebuilder {function} needs more packages: {install}") from None
    code: int = command(**arguments)
    return code


def _missing_extras(error: ImportError, module: str) -> str | None:
    """Return the extras that a command lacks; ``None`` if something else is missing."""
    cause = error.__cause__ if isinstance(error.__cause__, ImportError) else error
    missing = (cause.name or "aioimagebuilder").partition(".")[0]
    if missing == "rich":
        return "cli"
    return "cli,testing" if missing != "aioimagebuilder" and module in {"demo", "simulate"} else None


class _OrderedGroup(click.Group):
    """A group that lists its commands in the order of their definition."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)


@click.group(
    cls=_OrderedGroup,
    epilog=_EXIT_CODES,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    subcommand_metavar="COMMAND ...",
)
@click.version_option(package_name="aioimagebuilder")
def aioimagebuilder() -> None:
    """Wait for anything that EC2 Image Builder runs.

    An ID is a workflow execution ID (wf-...), workflow step ID (step-...), lifecycle execution ID (lce-...),
    or image build version ARN. Results are written to standard output, progress to standard error.
    Credentials, region and profile are resolved as in the AWS CLI.
    """


@aioimagebuilder.command()
@click.argument("identifiers", metavar="ID...", nargs=-1)
@click.option(
    "--next",
    "next_of",
    metavar="PIPELINE",
    help="Instead of IDs: wait for the next image that this pipeline (ARN or name) makes.",
)
@option("--fail-fast", is_flag=True, help="Exit at the first failure.")
@wait_options
@connection_options
@display_options
def wait(**arguments: object) -> int:
    """Wait for executions to end.

    Without IDs, or with -, IDs are read from standard input. Each execution is written as one line when it
    ends: ID, outcome, status, and AMI IDs, image URIs or the failure reason, separated by tabs.
    """
    return _run_command("wait", "wait", **arguments)


@aioimagebuilder.command()
@click.argument("identifier", metavar="ID")
@wait_options
@connection_options
@display_options
def watch(**arguments: object) -> int:
    """Show the progress of an execution until it ends.

    The progress consists of stages, workflows and steps. With --output json, each change is one event.
    Instead of an ID, the ARN or the name of a pipeline shows its running builds and each new one as it
    appears, until the timeout.
    """
    return _run_command("watch", "watch", **arguments)


@aioimagebuilder.command()
@click.argument("pipeline", metavar="PIPELINE")
@option(
    "--client-token",
    metavar="TOKEN",
    callback=check_length(64),
    help="Idempotency token; a build already started with it is joined.",
)
@option("--logs", is_flag=True, help="Also show the build log on standard error.")
@wait_options
@connection_options
@display_options
def build(**arguments: object) -> int:
    """Build an image from a pipeline and wait for it.

    PIPELINE is an ARN or a name. AMI IDs or container image URIs are written to standard output, one per
    line, those in the pipeline's region first.
    """
    return _run_command("build", "build", **arguments)


@aioimagebuilder.command()
@click.argument("identifier", metavar="ID")
@connection_options
@display_options
def show(**arguments: object) -> int:
    """Show the current state of an execution.

    Every member that the service returns is included.
    """
    return _run_command("show", "show", **arguments)


@aioimagebuilder.command()
@click.argument("identifier", metavar="ID")
@connection_options
@display_options
def why(**arguments: object) -> int:
    """Show why an execution failed.

    The diagnosis consists of the root cause, the evidence, and what to check next.
    """
    return _run_command("why", "why", **arguments)


@aioimagebuilder.command()
@click.argument("arn", metavar="ARN")
@click.option("--follow", "-f", is_flag=True, help="Show new lines until the build ends.")
@log_options
@connection_options
@display_options
def logs(**arguments: object) -> int:
    """Show the log of a build or a pipeline.

    A pipeline is given by its ARN or its name.
    """
    return _run_command("logs", "logs", **arguments)


@aioimagebuilder.command()
@click.argument("step", metavar="STEP")
@click.option("--reason", metavar="TEXT", callback=check_length(1024), help="Reason to record with the step.")
@connection_options
@display_options
def approve(**arguments: object) -> int:
    """Resume a waiting step.

    Sends the action RESUME (SendWorkflowStepAction). STEP is an ID as listed by "aioimagebuilder pending".
    """
    return _run_command("waiting_steps", "approve", **arguments)


@aioimagebuilder.command()
@click.argument("step", metavar="STEP")
@click.option(
    "--reason",
    metavar="TEXT",
    callback=check_length(1024),
    required=True,
    help="Reason to record with the step.",
)
@connection_options
@display_options
def reject(**arguments: object) -> int:
    """Stop a waiting step.

    Sends the action STOP (SendWorkflowStepAction). The build fails unless its workflow defines otherwise.
    """
    return _run_command("waiting_steps", "reject", **arguments)


@aioimagebuilder.command()
@connection_options
@display_options
def pending(**arguments: object) -> int:
    """List waiting steps.

    These are the steps in the account and region that wait for a person to approve or reject them, one per
    line: ID, name, image ARN and start time, separated by tabs.
    """
    return _run_command("waiting_steps", "pending", **arguments)


@aioimagebuilder.command()
@click.argument("identifier", metavar="ID")
@cancel_options
@connection_options
@display_options
def cancel(**arguments: object) -> int:
    """Cancel a build or a lifecycle execution.

    Waits until it has ended. The exit code is 0 if it was cancelled, and 1 if it ended otherwise.
    """
    return _run_command("cancel", "cancel", **arguments)


@aioimagebuilder.command()
@click.argument("image", metavar="ARN")
@wait_options
@connection_options
@display_options
def retry(**arguments: object) -> int:
    """Retry an AMI that failed in its test or distribution phase.

    The image runs again from that phase under the same ARN (RetryImage), after a failure or a cancellation.
    Container images and failures of the build phase cannot be retried: build the pipeline again. The output
    is that of "aioimagebuilder build".
    """
    return _run_command("retry", "retry", **arguments)


@aioimagebuilder.command()
@click.argument("image", metavar="ARN")
@connection_options
@timeline_options
@clock_options
def timeline(**arguments: object) -> int:
    """Show how long each workflow and step of a build took.

    The output is a Gantt chart as text, JSON, SVG or HTML.
    """
    return _run_command("timeline", "timeline", **arguments)


@aioimagebuilder.group(subcommand_metavar="COMMAND ...")
def hints() -> None:
    """Set up push hints.

    With hints, --hints QUEUE_URL makes a change be seen within a second.
    """


@hints.command()
@click.option(
    "--queues",
    # More exceed the 51,200 bytes of a template that is not in S3 (CloudFormation user guide, "Quotas").
    type=click.IntRange(1, 60),
    default=1,
    show_default=True,
    help="Number of queues: one for each process that waits. Several are subscribed to an SNS topic.",
)
def template(**arguments: object) -> int:
    """Print a CloudFormation template.

    It has a rule of EventBridge for the events of Image Builder, and a queue that receives them. Nothing is
    created: deploy it with "aws cloudformation deploy".
    """
    return _run_command("hints", "template", **arguments)


@aioimagebuilder.group(subcommand_metavar="COMMAND ...")
def waiters() -> None:
    """Install waiters for boto3 and the AWS CLI.

    AWS has one for images. These are for workflow executions, workflow steps and lifecycle executions.
    """


@waiters.command()
def install() -> int:
    """Install the waiters in ~/.aws, where botocore looks for them.

    AWS's own waiter remains as it is. A file that is not of aioimagebuilder is not changed: the exit code is
    then 1.
    """
    return _run_command("waiters", "install")


@waiters.command()
def uninstall() -> int:
    """Remove the waiters that "install" has installed."""
    return _run_command("waiters", "uninstall")


@aioimagebuilder.command()
@click.option(
    "--port", type=click.IntRange(0, 65535), default=5000, show_default=True, help="0 selects a free port."
)
@click.option(
    "--time-scale",
    type=click.FloatRange(min=0),
    callback=check_rate,
    default=10,
    show_default=True,
    help=_TIME_SCALE,
)
@click.option(
    "--rate-limit",
    type=click.FloatRange(min=0, min_open=True),
    callback=check_rate,
    metavar="RATE",
    help="Calls per second and account; calls above it are throttled (HTTP 429).",
)
@click.option(
    "--pipeline",
    "pipelines",
    metavar="NAME",
    multiple=True,
    help="Additional pipeline to create; repeatable.",
)
def simulate(**arguments: object) -> int:
    """Serve a simulated EC2 Image Builder with example pipelines.

    Prints the environment variables to set in another terminal. Requires:
    pip install 'aioimagebuilder[cli,testing]'
    """
    return _run_command("simulate", "simulate", **arguments)


@aioimagebuilder.command()
@click.option(
    "--time-scale",
    type=click.FloatRange(min=1),
    callback=check_rate,
    default=60,
    show_default=True,
    help=_TIME_SCALE,
)
@display_options
def demo(**arguments: object) -> int:
    """Build an image on the embedded simulator.

    Needs neither an AWS account nor a network. Requires:
    pip install 'aioimagebuilder[cli,testing]'
    """
    return _run_command("demo", "demo", **arguments)


@aioimagebuilder.command(epilog=_COMPLETION_SETUP)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> int:
    """Print a shell completion script."""
    return _run_command("completion", "completion", shell=shell)
