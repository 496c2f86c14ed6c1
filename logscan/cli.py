"""The command line: the only module that exits, and the one that turns every error into a line and a status.

A command is a module in ``commands/`` and a line in ``COMMANDS``.  It is imported
when it is called for, and imports what it needs when it runs, so that
``--version`` and a mistyped option answer at once.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, NoReturn

import click

from logscan import __version__
from logscan.edge import INTERNAL, INTERRUPTED, USAGE, complain, err
from logscan.errors import FaultsError, LogscanError, RulesError
from logscan.undo import undo

if TYPE_CHECKING:
    from collections.abc import Sequence

    from click.shell_completion import CompletionItem


MAX_FAULTS = 20  # of files, before a run: what came first must stay on the screen

DEFAULT = "diagnose"
# Where each command is: module below logscan, and its name there.
COMMANDS: Mapping[str, tuple[str, str]] = {
    "check": ("commands.check", "check"),
    "completion": ("commands.completion", "completion"),
    "config": ("commands.config", "config_group"),
    "convert": ("commands.convert", "convert"),
    "diagnose": ("commands.diagnose", "diagnose"),
    "diff": ("commands.diff", "diff"),
    "doctor": ("commands.doctor", "doctor"),
    "kubectl": ("commands.kubectl", "kubectl"),
    "predict": ("commands.predict", "predict"),
    "redact": ("commands.redact", "redact"),
    "rules": ("rulescli", "rules_group"),
    "table": ("commands.table", "table"),
    "trace": ("commands.trace", "trace"),
}


# ---------------------------------------------------------------- the edge


def main() -> NoReturn:
    """Run the command line; the entry point of the program."""
    # A closed pipe (`logscan … | head`) ends the program as it ends any other,
    # by the signal.  Python ignores the signal and click makes exit status 1 of
    # the error, which would say here that something was found.
    if hasattr(signal, "SIGPIPE"):
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    _hold_standard_streams()
    _end_tidily()
    sys.exit(run(sys.argv[1:]))


def kubectl_plugin() -> NoReturn:
    """Run ``kubectl nfs-logscan``; the entry point of the plug-in."""
    from logscan.commands.kubectl import kubectl

    _hold_standard_streams()
    _end_tidily()
    sys.exit(run(sys.argv[1:], kubectl, "kubectl nfs-logscan"))


def _end_tidily() -> None:
    """Let SIGTERM and SIGHUP end the process as ever, but leave nothing half-written."""

    def end(signum: int, _: object) -> None:
        undo()
        signal.signal(signum, signal.SIG_DFL)
        os.kill(os.getpid(), signum)

    for name in ("SIGTERM", "SIGHUP"):
        signum = getattr(signal, name, None)
        if signum is not None and signal.getsignal(signum) is signal.SIG_DFL:  # nohup has it ignored
            signal.signal(signum, end)


def _hold_standard_streams() -> None:
    """Open /dev/null in the place of standard streams that are closed, or a file that is opened would be taken for one."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


def kubectl_completion() -> NoReturn:
    """Answer kubectl, which asks what may follow ``kubectl nfs-logscan``; the entry point of the program that it looks for."""
    from logscan import terminal
    from logscan.commands.completion import for_kubectl
    from logscan.commands.kubectl import kubectl

    terminal.stdout().write(for_kubectl(kubectl, sys.argv[1:]))
    sys.exit(0)


def run(arguments: Sequence[str], command: click.Command | None = None, name: str = "logscan") -> int:
    """Run one command line and return its exit status; every error becomes a line on stderr.

    Args:
        command: the whole program, unless given.
        name: as its user calls it.
    """
    try:
        if "_LOGSCAN_COMPLETE" in os.environ:
            from logscan.commands import completion

            completion.register()
        status = (command or cli).main(list(arguments), prog_name=name, standalone_mode=False)
        if sys.stdout is not None:
            sys.stdout.flush()
    except click.UsageError as error:
        return _usage(error)
    except click.ClickException as error:
        complain(error.format_message().rstrip("."))
        return USAGE
    except (click.Abort, KeyboardInterrupt):
        complain("interrupted")
        return INTERRUPTED
    except FaultsError as error:
        for fault in error.faults[:MAX_FAULTS]:
            complain(str(fault))
        if len(error.faults) > MAX_FAULTS:
            where = " in rules; logscan rules lint shows all" if isinstance(error, RulesError) else ""
            err(f"logscan: and {len(error.faults) - MAX_FAULTS} more faults{where}")
        return USAGE
    except LogscanError as error:
        complain(str(error))
        return USAGE
    except OSError as error:
        # Inputs and files turn theirs into LogscanErrors, so this is standard output.
        complain(f"standard output: {error.strerror or error}")
        return _give_up_stdout()
    except Exception as error:  # noqa: BLE001 - the last line of defence
        if "--debug" in arguments:
            import traceback

            traceback.print_exc()
        complain(f"internal error: {type(error).__name__}: {error}")
        err("  help: run with --debug for the details, and please report them")
        return INTERNAL
    return status if isinstance(status, int) else 0


def _usage(error: click.UsageError) -> int:
    if type(error).__name__ == "NoArgsIsHelpError" and error.ctx is not None:  # which older clicks do not have
        err(error.ctx.get_help())
        return USAGE
    complain(error.format_message().rstrip("."))
    command = error.ctx.command_path if error.ctx is not None else "logscan"
    err(f"  help: {command} --help")
    return USAGE


def _give_up_stdout() -> int:
    # What is still buffered cannot be written either: without this the interpreter
    # complains once more on its way out, and exits with a status of its own.
    if sys.stdout is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return USAGE


# ---------------------------------------------------------------- the commands


class _Group(click.Group):
    """Imports a command when it is called for; ``logscan FILE`` is ``logscan diagnose FILE``."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return [DEFAULT, *sorted({*COMMANDS, *self.commands} - {DEFAULT})]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in COMMANDS and cmd_name not in self.commands:
            module, name = COMMANDS[cmd_name]
            self.add_command(getattr(import_module(f"logscan.{module}"), name), cmd_name)
        return super().get_command(ctx, cmd_name)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        # Decided before the group parses options: it would eat the "--" of `logscan -- -odd.log`.
        if not args and ctx.resilient_parsing:
            return super().parse_args(ctx, args)  # a shell asks what may come first
        if not args or args[0] not in {*self.list_commands(ctx), "--help", "-h", "--version"}:
            args = [DEFAULT, *args]
        return super().parse_args(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem[str]]:
        """Commands, and what may follow the one that need not be named: its options, and files."""
        found = super().shell_complete(ctx, incomplete)
        command = self.get_command(ctx, DEFAULT)
        if not incomplete.startswith("-") or command is None:
            return found
        its = command.shell_complete(click.Context(command, ctx, resilient_parsing=True), incomplete)
        return found + [one for one in its if one.value not in {other.value for other in found}]


_CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


@click.group(cls=_Group, context_settings=_CONTEXT)
@click.version_option(__version__, message="logscan %(version)s")
def cli() -> None:
    """Say why a csi-driver-nfs volume does not come up, from its logs.

    `logscan FILES` is short for `logscan diagnose FILES`, and takes its options.
    A file that is named like a command is reached as ./NAME.

    \b
      kubectl logs -n kube-system -l app=csi-nfs-controller -c nfs --tail=-1 | logscan
      logscan nfs.log bundle.tgz
    """  # noqa: D301 - click wants the character itself
