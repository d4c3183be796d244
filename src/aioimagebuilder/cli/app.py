"""The whole command line: every command, its arguments and its help.

Nothing here imports what works: the module of a command does, when it is called. So help is there at once.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Final

import click

from .options import (
    Command,
    chart_options,
    confirming_options,
    connection_options,
    display_options,
    following_options,
    variable,
    waiting_options,
)

__all__ = ["aioimagebuilder"]

_EXIT_CODES: Final = """\
\b
Exit codes:
  0    succeeded
  1    failed
  2    the command line is wrong
  3    cancelled at AWS
  4    could not be observed, or started: credentials, access, not found
  5    waits for a person (with --on-waiting raise)
  124  timed out; what runs at AWS goes on
  130  interrupted (Ctrl-C); what runs at AWS goes on
  141  standard output was closed
  143  terminated (SIGTERM); what runs at AWS goes on
Of several executions, the gravest is told, in the order 1, 3, 4, 5, 124.
"""


def _perform(module: str, function: str, **arguments: object) -> int:
    code: int = getattr(import_module(f"{__package__}.commands.{module}"), function)(**arguments)
    return code


class _InOrder(click.Group):
    """Lists its commands in the order in which they stand here."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)


def _own_option(name: str, help: str, *, is_flag: bool = False) -> Callable[[Command], Command]:  # noqa: A002
    metavar = None if is_flag else name.rpartition("-")[2].upper()
    return click.option(
        name, envvar=variable(name), show_envvar=True, is_flag=is_flag, metavar=metavar, help=help
    )


@click.group(
    cls=_InOrder,
    epilog=_EXIT_CODES,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    subcommand_metavar="COMMAND ...",
)
@click.version_option(package_name="aioimagebuilder")
def aioimagebuilder() -> None:
    """Await anything that EC2 Image Builder runs.

    An ID is wf-..., step-..., lce-..., or the ARN of an image build version. Results go to standard output,
    progress to standard error. Credentials, region and profile are found as by the AWS CLI.
    """


@aioimagebuilder.command()
@click.argument("identifiers", metavar="ID...", nargs=-1)
@click.option(
    "--fail-fast",
    is_flag=True,
    envvar=variable("fail-fast"),
    show_envvar=True,
    help="End with the first failure.",
)
@waiting_options
@connection_options
@display_options
def wait(**arguments: object) -> int:
    """Wait until all have ended.

    IDs are of any kind, mixed; without any, or for -, they are read from standard input. Each writes a line
    when it has ended: id, outcome, status, and what it made or why it failed, divided by tabs.
    """
    return _perform("wait", "wait", **arguments)


@aioimagebuilder.command()
@click.argument("identifier", metavar="ID")
@waiting_options
@connection_options
@display_options
def watch(**arguments: object) -> int:
    """Show what goes on until it has ended: stages, workflows, steps, and what runs now."""
    return _perform("watch", "watch", **arguments)


@aioimagebuilder.command()
@click.argument("pipeline", metavar="PIPELINE")
@_own_option("--client-token", "Whoever builds with the same token joins the same build.")
@_own_option("--logs", "Show the build's log, too, on standard error.", is_flag=True)
@waiting_options
@connection_options
@display_options
def build(**arguments: object) -> int:
    """Build a pipeline, and wait for the image.

    PIPELINE is an ARN or a name. What was made goes to standard output, one AMI id or container image URI a
    line, those of the pipeline's own region first.
    """
    return _perform("build", "build", **arguments)


@aioimagebuilder.command()
@click.argument("identifier", metavar="ID")
@connection_options
@display_options
def show(**arguments: object) -> int:
    """Show an execution as it is now, with all that the service tells of it."""
    return _perform("show", "show", **arguments)


@aioimagebuilder.command()
@click.argument("identifier", metavar="ID")
@connection_options
@display_options
def why(**arguments: object) -> int:
    """Show why an execution failed: the cause, the evidence, and what to look at."""
    return _perform("why", "why", **arguments)


@aioimagebuilder.command()
@click.argument("arn", metavar="ARN")
@click.option("--follow", "-f", is_flag=True, help="Go on until the build has ended.")
@following_options
@connection_options
@display_options
def logs(**arguments: object) -> int:
    """Show the log of a build, or of a pipeline."""
    return _perform("logs", "logs", **arguments)


@aioimagebuilder.command()
@click.argument("step", metavar="STEP")
@click.option("--reason", metavar="TEXT", help="Why, for those who read the step later.")
@connection_options
@display_options
def approve(**arguments: object) -> int:
    """Let a step go on that waits for a person."""
    return _perform("waiting_steps", "approve", **arguments)


@aioimagebuilder.command()
@click.argument("step", metavar="STEP")
@click.option("--reason", metavar="TEXT", required=True, help="Why, for those who read the step later.")
@connection_options
@display_options
def reject(**arguments: object) -> int:
    """Stop a step that waits for a person; its build fails, unless its workflow says otherwise."""
    return _perform("waiting_steps", "reject", **arguments)


@aioimagebuilder.command()
@connection_options
@display_options
def pending(**arguments: object) -> int:
    """List the steps that wait for a person, in the whole account and region."""
    return _perform("waiting_steps", "pending", **arguments)


@aioimagebuilder.command()
@click.argument("identifier", metavar="ID")
@confirming_options
@connection_options
@display_options
def cancel(**arguments: object) -> int:
    """Cancel a build or a lifecycle execution, and confirm what became of it.

    The exit code is 0 if it was cancelled, and 1 if it had ended otherwise.
    """
    return _perform("cancel", "cancel", **arguments)


@aioimagebuilder.command()
@click.argument("image", metavar="ARN")
@waiting_options
@connection_options
@display_options
def retry(**arguments: object) -> int:
    """Run a failed or cancelled image again in place, and wait for its new end."""
    return _perform("retry", "retry", **arguments)


@aioimagebuilder.command()
@click.argument("image", metavar="ARN")
@connection_options
@chart_options
def timeline(**arguments: object) -> int:
    """Show where the time of a build went: a Gantt chart of its workflows and steps."""
    return _perform("timeline", "timeline", **arguments)


@aioimagebuilder.command()
@click.option(
    "--port", type=click.IntRange(0, 65535), default=5000, show_default=True, help="0 is any free one."
)
@click.option(
    "--time-scale",
    type=click.FloatRange(min=0),
    default=10,
    show_default=True,
    help="Simulated seconds per second.",
)
@click.option(
    "--rate-limit",
    type=click.FloatRange(min=0, min_open=True),
    metavar="RATE",
    help="Calls per second and account; above it, 429.",
)
@click.option(
    "--pipeline", "pipelines", metavar="NAME", multiple=True, help="Create this one, too; repeatable."
)
def simulate(**arguments: object) -> int:
    """Serve a simulated EC2 Image Builder on this machine, with a few pipelines to try.

    It prints what to set in another terminal. Needs aioimagebuilder[testing].
    """
    return _perform("simulate", "simulate", **arguments)


@aioimagebuilder.command()
@click.option(
    "--time-scale",
    type=click.FloatRange(min=1),
    default=60,
    show_default=True,
    help="Simulated seconds per second.",
)
@display_options
def demo(**arguments: object) -> int:
    """Build an image on the embedded simulator, and watch it: needs no account and no network.

    Needs aioimagebuilder[testing].
    """
    return _perform("demo", "demo", **arguments)


@aioimagebuilder.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> int:
    r"""Print the script that completes commands and options in a shell.

    \b
    bash:  eval "$(aioimagebuilder completion bash)"
    zsh:   eval "$(aioimagebuilder completion zsh)"
    fish:  aioimagebuilder completion fish | source
    """
    return _perform("completion", "completion", shell=shell)
