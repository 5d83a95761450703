"""The command line: which commands there are, and how every run ends. No arithmetic; nothing heavy is imported here.

    0  done      2  input wrong      4  no plan within the limits   6  the plan failed its check
    1  our bug   3  infeasible       5  solver failed               7  another run holds the lock
    130  stopped by Ctrl-C           141  nobody reads the output any more

stdout carries the answer, stderr the rest.
"""

from __future__ import annotations

import errno
import json
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module

import click

from router.errors import InputError, RouterError

BUG, USAGE, INTERRUPTED, UNREAD = 1, 2, 130, 141


#: Command → its module in `router.commands`.
COMMANDS = {
    "solve": "planning",
    "compare": "planning",
    "size": "size",
    "explain": "explain",
    "whatif": "whatif",
    "init": "beginning",
    "completion": "beginning",
    "verify": "plans",
    "prove": "prove",
    "simulate": "simulate",
    "reoptimise": "reoptimise",
    "backtest": "backtest",
    "history": "history",
    "report": "plans",
    "diff": "plans",
    "export": "contents",
    "import": "imports",
    "schema": "reference",
    "solvers": "reference",
    "examples": "reference",
}


class Commands(click.Group):
    """A command is loaded when it is named; a list of them all loads all."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"router.commands.{COMMANDS[cmd_name]}")
        command: click.Command = getattr(module, "imports" if cmd_name == "import" else cmd_name)
        return command


@click.group(
    cls=Commands,
    invoke_without_command=True,
    subcommand_metavar="COMMAND [ARGS]...",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="llm-inference-planner", message="%(prog)s %(version)s")
@click.pass_context
def cli(context: click.Context) -> None:
    """Plan who serves which LLM workload, on what and under which contract, at least cost, with proof.

    To begin: router examples copy quickstart && router solve quickstart.yaml, or router init
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


def main() -> None:
    """The `router` script."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, ValueError):
            stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """One run with its exit code; whatever goes wrong is told in one piece, and as JSON too where that was asked."""
    machine = "--json" in arguments
    verbose = "-v" in arguments or "--verbose" in arguments
    try:
        code = _invoke(arguments)
        if sys.stdout is not None:
            sys.stdout.flush()
        return code
    except RouterError as error:
        issues = [issue.as_dict() for issue in error.issues] if isinstance(error, InputError) else []
        return _failed(type(error).__name__, str(error), error.exit_code, machine, issues)
    except click.ClickException as error:
        hint = _usage_hint(error)
        return _failed("UsageError", error.format_message() + hint, error.exit_code, machine)
    except (click.Abort, KeyboardInterrupt):
        return _failed("Interrupted", "stopped; nothing was written.", INTERRUPTED, machine)
    except BrokenPipeError:
        return _unread()
    except SystemExit as error:  # click's own way of ending on a closed pipe
        return _unread() if error.code == 1 else int(error.code or 0)
    except OSError as error:
        return _unwritten(error, machine) if _is_of_stdout(error) else _bug(error, machine, verbose)
    except MemoryError:
        return _failed(
            "OutOfMemory", "out of memory: the problem is too large for this machine.", BUG, machine
        )
    except Exception as error:
        return _bug(error, machine, verbose)


def _invoke(arguments: Sequence[str]) -> int:
    code = cli.main(args=list(arguments), prog_name="router", standalone_mode=False)
    return code if isinstance(code, int) else 0


def _usage_hint(error: click.ClickException) -> str:
    if isinstance(error, click.UsageError) and error.ctx is not None and error.ctx.command is not cli:
        return f"\n  {error.ctx.get_usage()}\n  `{error.ctx.command_path} --help` lists the options."
    return ""


def _bug(error: Exception, machine: bool, verbose: bool) -> int:
    if verbose:
        traceback.print_exception(error)
    told = f"unexpected {type(error).__name__}: {error}\n  This is a bug of the planner; please report it"
    told += "." if verbose else ", with what the same command prints with -v."
    return _failed(type(error).__name__, told, BUG, machine)


def _failed(
    kind: str, message: str, code: int, machine: bool, issues: Sequence[dict[str, str | int | None]] = ()
) -> int:
    click.echo(f"Error: {message}", err=True)
    if machine:
        told = {"kind": kind, "exit_code": code, "message": message, "issues": list(issues)}
        try:
            click.echo(json.dumps({"error": told}, ensure_ascii=False, indent=1))
            if sys.stdout is not None:
                sys.stdout.flush()
        except OSError:
            _unread()
    return code


def _is_of_stdout(error: OSError) -> bool:
    """Of help and lists, which click itself prints; what is written to files names its file."""
    return error.filename is None and error.errno in (errno.ENOSPC, errno.EIO, errno.EBADF)


def _unwritten(error: OSError, machine: bool) -> int:
    _unread()
    return _failed("InputError", f"stdout: cannot be written: {error.strerror or error}", USAGE, machine)


def _unread() -> int:
    """Whoever read our output has gone; what Python still wants to flush goes nowhere."""
    from router.commands.terminal import to_nowhere

    to_nowhere(sys.stdout)
    return UNREAD
