"""The entry point: prepares the standard streams and maps exceptions to exit codes."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import suppress

from .streams import recorded_streams, write_error

# Repeated here because importing `exit_codes` would slow down the help.
_USAGE = 2
_INTERNAL_ERROR = 70
_NOT_WRITTEN = 74
_INTERRUPTED = 130
_OUTPUT_CLOSED = 141


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    try:
        import click  # noqa: F401, PLC0415 - an optional dependency
    except ModuleNotFoundError:
        if sys.stderr is not None:
            sys.stderr.write("The command line needs click and rich: pip install 'aioimagebuilder[cli]'\n")
        return _USAGE
    with recorded_streams():
        return _code_of_output(_run(arguments))


def _run(arguments: Sequence[str] | None) -> int:
    import click  # noqa: PLC0415

    from .app import aioimagebuilder  # noqa: PLC0415 - it imports click

    try:
        code = aioimagebuilder.main(arguments, prog_name="aioimagebuilder", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        _report_to_github(error.format_message(), error.exit_code)
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return _INTERRUPTED
    except SystemExit as stop:
        # click exits after a completion, with 1 for an invalid request.
        return _USAGE if stop.code else 0
    except Exception as error:  # noqa: BLE001 - a bug has an exit code of its own
        from .render.bugs import format_bug  # noqa: PLC0415 - only for a bug

        sys.stderr.writelines(f"{line}\n" for line in format_bug(error))
        return _INTERNAL_ERROR
    return int(code or 0)


def _report_to_github(message: str, exit_code: int) -> None:
    """Add an annotation and the outputs of the step, in a job of GitHub Actions."""
    from .runtime import github_actions  # noqa: PLC0415 - only for an error

    if github_actions.is_running():
        sys.stderr.write(f"{github_actions.format_error('aioimagebuilder', message)}\n")
        # The message has been shown.
        with suppress(OSError):
            github_actions.set_outputs(
                {"outcome": "not_observed", "exit-code": str(exit_code), "message": message}
            )


def _code_of_output(code: int) -> int:
    """Return the exit code, considering whether the output of a command that succeeded was written."""
    sys.stdout.flush()
    error = write_error(sys.stdout)
    if error is None or code != 0:
        return code
    if isinstance(error, BrokenPipeError):
        return _OUTPUT_CLOSED
    sys.stderr.write(f"Error: The result could not be written to standard output: {error.strerror}.\n")
    return _NOT_WRITTEN
