"""``logscan doctor``: whether logscan can work here."""

from __future__ import annotations

import click

from logscan.edge import FOUND, debug_option, width_option


@click.command()
@click.option("--json", "as_json", is_flag=True, help="As JSON, logscan.doctor/v1.")
@width_option
@debug_option
@click.pass_context
def doctor(ctx: click.Context, as_json: bool, width: int | None) -> None:
    """Tell whether logscan can work here, and what it could work better with.

    Looks at Python and the packages, the rules, the terminal, kubectl, and lets
    logscan diagnose a small log of its own. Changes nothing and uses no network.

    \b
    Exit status:
      0    all is well; notes are of what is not needed
      1    there is a problem
    """  # noqa: D301 - click wants the character itself
    import dataclasses
    import json
    from collections import Counter

    from logscan import __version__, terminal
    from logscan.doctor import examine
    from logscan.report import table

    checks = list(examine())
    counts = Counter(one.status for one in checks)
    out = terminal.stdout()
    if as_json:
        found = [dataclasses.asdict(one) for one in checks]
        said = {"schema": "logscan.doctor/v1", "version": __version__, "ok": not counts["problem"], "checks": found}
        out.write(json.dumps(said, indent=2) + "\n")
    else:
        rows = [row for one in checks for row in _rows(one.status, one.name, one.says, one.help)]
        table.write(out, ("STATUS", "CHECK", "FOUND"), rows, width=width or terminal.width_of_terminal())
        notes = f", {counts['note']} note{'s' if counts['note'] > 1 else ''}" if counts["note"] else ""
        problems = f"{counts['problem']} problem{'s' if counts['problem'] > 1 else ''}"
        out.write(f"\n{problems if counts['problem'] else 'All is well'}{notes}\n")
    ctx.exit(FOUND if counts["problem"] else 0)


def _rows(status: str, name: str, says: str, help_: str) -> list[tuple[str, str, str]]:
    return [(status, name, says), *([("", "", f"help: {help_}")] if help_ else [])]
