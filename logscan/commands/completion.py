"""``logscan completion``: what bash, zsh and fish complete after ``logscan``."""

from __future__ import annotations

import click
from click.shell_completion import (
    BashComplete,
    CompletionItem,
    FishComplete,
    ShellComplete,
    ZshComplete,
    add_completion_class,
)

DEFAULT = "diagnose"
VARIABLE = "_LOGSCAN_COMPLETE"  # click's name for it: set by the script when it asks for completions


class _OrFiles(ShellComplete):
    """Offers files where nothing else is: most of what a command line of logscan names is a file."""

    splits = False  # whether the shell makes three words of --format=json

    def get_completions(self, args: list[str], incomplete: str) -> list[CompletionItem[str]]:
        if args[-1:] == ["="]:
            args = args[:-1]
        option, equals, _ = incomplete.rpartition("=")
        if not args and equals:
            args = [DEFAULT]  # the command whose name may be left out
        found = super().get_completions(args, incomplete)
        if not found:
            return [] if incomplete.startswith("-") else [CompletionItem(incomplete, type="file")]
        if option.startswith("-") and not self.splits:  # the whole word is replaced
            return [CompletionItem(f"{option}={one.value}", one.type, one.help) for one in found]
        return found


class _Bash(_OrFiles, BashComplete):
    splits = True


class _Zsh(_OrFiles, ZshComplete):
    pass


class _Fish(_OrFiles, FishComplete):
    pass


SHELLS: dict[str, type[ShellComplete]] = {"bash": _Bash, "zsh": _Zsh, "fish": _Fish}


def register() -> None:
    """Let click answer the scripts' requests in this way."""
    for cls in SHELLS.values():
        add_completion_class(cls)


def script(shell: str) -> str:
    """The script that a shell reads; it asks ``logscan`` itself at each Tab.

    Args:
        shell: a key of SHELLS.
    """
    # Not asked of click's source(), which starts bash to learn its version.
    shown = SHELLS[shell](click.Command("logscan"), {}, "logscan", VARIABLE)
    return shown.source_template.strip() % shown.source_vars() + "\n"


def for_kubectl(command: click.Command, words: list[str]) -> str:
    """What kubectl offers for the last of *words*, which follow ``kubectl nfs-logscan``.

    kubectl asks a program named after the plug-in, and wants a line each, a tab before its meaning, and in the end
    a number: 4 says that files are not to be offered, 0 that they are.
    """
    *before, incomplete = words or [""]
    found = ShellComplete(command, {}, "kubectl nfs-logscan", VARIABLE).get_completions(before, incomplete)
    lines = [f"{one.value}\t{one.help.splitlines()[0]}" if one.help else str(one.value) for one in found]
    value = bool(before) and before[-1].startswith("-") and not incomplete.startswith("-")
    return "\n".join([*lines, ":0" if value and not found else ":4"]) + "\n"


@click.command()
@click.argument("shell", type=click.Choice(list(SHELLS)))
def completion(shell: str) -> None:
    """Print the script by which a shell completes commands, options, rules and files.

    \b
      bash   logscan completion bash > ~/.local/share/bash-completion/completions/logscan
      zsh    logscan completion zsh > "${fpath[1]}/_logscan"
      fish   logscan completion fish > ~/.config/fish/completions/logscan.fish

    Or for one session, in bash and zsh: eval "$(logscan completion bash)".
    """  # noqa: D301 - click wants the character itself
    from logscan import terminal

    terminal.stdout().write(script(shell))
