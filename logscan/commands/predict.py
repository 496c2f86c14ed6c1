"""``logscan predict``: what StorageClasses will meet on their server."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from logscan.commands.inputs import client_option, exports_option, given, manifest_option
from logscan.commands.redacting import Veil, redact_options
from logscan.edge import FOUND, UNREAD, complain, debug_option, width_option

if TYPE_CHECKING:
    from logscan.errors import SourceError
    from logscan.evidence import Facts


@click.command()
@exports_option
@manifest_option
@client_option
@click.option("--format", "-f", "format_", type=click.Choice(["text", "json"]), default="text", show_default=True)
@redact_options
@width_option
@debug_option
@click.pass_context
def predict(
    ctx: click.Context,
    exports: tuple[str, ...],
    manifests: tuple[str, ...],
    client: str | None,
    format_: str,
    width: int | None,
    veiling: Mapping[str, Any],
) -> None:
    """Tell what StorageClasses will meet on their server, without any log.

    \b
      logscan predict --exports /etc/exports --storageclass class.yaml

    \b
    Exit status:
      0    all will work as far as the exports tell
      1    something will not
      2    wrong usage
      3    a file could not be read
    """  # noqa: D301 - click wants the character itself
    from logscan import evidence, rules, terminal
    from logscan.evidence.foretell import foretell
    from logscan.report import predict as writer

    if not exports or not manifests:
        raise click.UsageError("--exports and --storageclass are needed.")
    veil = Veil(rules.load() if any(veiling.values()) else rules.RuleSet(()), **veiling)
    facts = evidence.Facts()
    unread: list[SourceError] = []
    for path in exports:
        given(path, partial(_take, facts, veil, "exports", path), unread.append)
    for path in manifests:
        given(path, partial(_take, facts, veil, "manifest", path), unread.append)
    veil.learn_clients(facts)
    for problem in (*unread, *facts.errors):
        complain(veil.error(problem))
    for name, fault in facts.faults:
        if fault.level != "note":
            complain(f"{veil.place(name)}:{fault.line}: {veil.text(fault.problem)}")
    for name, remark in facts.remarks:
        complain(f"{veil.place(name)}:{remark.line}: {veil.text(remark.problem)}")
    entries = veil.predictions(foretell(facts, client))
    if format_ == "json":
        writer.write_json(entries, terminal.stdout())
    else:
        writer.write(entries, terminal.stdout(), width=width or terminal.width_of_terminal())
    for problem in veil.close():
        raise problem
    if unread or not entries:
        if not entries:
            complain("no StorageClass or PersistentVolume of nfs.csi.k8s.io was given")
        ctx.exit(UNREAD)
    ctx.exit(FOUND if any(entry["outcome"] != "ok" for entry in entries) else 0)


def _take(facts: Facts, veil: Veil, kind: str, path: str, data: bytes) -> None:
    from logscan import evidence

    text = data.decode("utf-8", "replace")
    veil.learn(text, path)
    # What exportfs and showmount print is told from an exports file by its content.
    facts.read((evidence.recognise(text, path) or kind) if kind == "exports" else kind, text, path)
