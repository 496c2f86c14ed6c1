"""Who may import whom and what, and the other rules of the house that a program can check."""

from __future__ import annotations

import ast
import graphlib
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "logscan"
MODULES = sorted(PACKAGE.rglob("*.py"))
MAX_LINES = 600

RULES = {
    "rulebook.rulefile",
    "rulebook.rulereader",
    "rulebook.rulewhen",
    "rulebook.rulelint",
    "rulebook.ruledoc",
    "rulebook.vocabulary",
    "rulebook.yamltree",
}
BELOW_SCAN = {
    "model", "errors", "stamps", "unpack", "sources", "order", "prefixes", "forms", "margins", "shippers", "frames", "klog", "events", "csi", "rpc", "volumes", "calls",
    "match", "rules", "incidents", "facts", "folds", "diagnose", "unknown", "advise", "timeline", "shapes", "evidence", "evidence.weigh",
    "reading", "quiet", "passing", "sorting", "activity", "history", "bundles", "evidence.pods",
}  # fmt: skip

# Imports go down only, and siblings know each other through model.  A module that is not here fails the test:
# whoever adds one says what it may know.
MAY_IMPORT: dict[str, set[str]] = {
    "": {"columns"},  # logscan/__init__.py, when it is asked for
    "__main__": {"cli"},
    "rulebook": set(),
    "model": set(),
    "errors": set(),
    "undo": set(),
    "filing": {"undo", "errors"},
    # bytes to lines to records
    "unpack": {"model", "errors"},
    "remote": {"errors", "unpack"},
    "finding": {"bundles", "errors", "parts", "remote", "unpack"},
    "sources": {"model", "errors", "bundles", "finding", "parts", "remote", "unpack"},
    "stamps": {"model"},
    "shippers": {"model", "stamps"},
    "bundles": {"shippers"},
    "parts": {"bundles", "errors", "unpack"},
    "prefixes": {"shippers", "stamps"},
    "forms": {"shippers"},
    "margins": {"shippers", "stamps"},
    "order": {"model", "shippers"},
    "frames": {"model", "errors", "bundles", "forms", "margins", "order", "prefixes", "shippers", "stamps"},
    "structured": {"model", "stamps"},
    "klog": {"model", "errors", "quiet", "stamps", "structured"},
    "events.eventrows": {"model", "stamps"},
    "events.describe": {"model"},
    "events": {"model", "errors", "events.eventrows", "events.describe", "rulebook.yamltree", "quiet"},
    "sorting": {"bundles", "errors", "evidence", "sources"},
    "pasted": set(),
    "reading": {"errors", "model", "order", "pasted", "sources", "frames", "klog", "events", "quiet"},
    # what the driver means
    "csi": {"model", "errors"},
    "rpc": {"model", "csi"},
    "volumes": {"model", "csi"},
    "streams": {"model", "rpc"},
    "history": {"model", "timeline"},
    "activity": {"model", "quiet", "stamps"},
    "calls": {"model", "errors", "csi", "history", "quiet", "rpc", "streams", "volumes"},
    # calls that went well, and how they are passed over
    "quiet": {"model"},
    "heads": set(),
    "narrow": {"heads", "quiet"},
    "forks": set(),
    "ranges": {"errors", "forks", "narrow", "quiet"},
    "passing": {"model", "errors", "calls", "forks", "frames", "incidents", "klog", "match", "narrow", "quiet", "ranges", "volumes"},
    # rules, and what they hit
    "rulebook.vocabulary": {"model"},
    "rulebook.yamltree": {"errors"},
    "rulebook.rulereader": {"model", "errors", "rulebook.vocabulary", "rulebook.yamltree"},
    "rulebook.rulewhen": {"model", "errors", "rulebook.rulereader", "rulebook.vocabulary", "rulebook.yamltree"},
    "rulebook.rulefile": {"model", "errors", "rulebook.rulereader", "rulebook.rulewhen", "rulebook.vocabulary", "rulebook.yamltree"},
    "rulebook.rulelint": {"model", "errors", "rulebook.rulereader", "rulebook.vocabulary"},
    "rulebook.ruledoc": {"model", "rulebook.rulefile", "rulebook.rulereader", "rulebook.vocabulary"},
    "rules": {"model", "errors", *RULES},
    "match": {"model", "errors", "csi"},
    "incidents": {"model", "csi", "match", "shapes"},
    "joins": {"model", "incidents", "volumes"},
    # what was given beside the logs
    "evidence.exportclients": set(),
    "evidence.exportoptions": set(),
    "evidence.exportlint": {"evidence.exportclients", "evidence.exportoptions"},
    "evidence.exports": {"errors", "evidence.exportclients", "evidence.exportlint", "evidence.exportoptions"},
    "evidence.trees": {"errors"},
    "evidence.install": {"evidence.trees"},
    "evidence.manifests": {"errors", "evidence.install", "evidence.trees"},
    "evidence.manifestlint": {"csi", "evidence.manifests", "evidence.trees"},
    "evidence.predictor": {"csi", "evidence.exportclients", "evidence.exportoptions", "evidence.exports"},
    "evidence.pods": {"bundles", "errors", "evidence", "evidence.trees", "model"},
    "evidence": {"errors", "csi", "evidence.exportclients", "evidence.exportoptions", "evidence.exports", "evidence.install", "evidence.manifestlint", "evidence.manifests", "evidence.predictor", "evidence.trees"},
    "evidence.foretell": {"evidence", "evidence.manifests", "evidence.predictor"},
    "report.predict": {"report.safe"},
    "evidence.weigh": {"model", "csi", "evidence", "evidence.exportclients", "evidence.manifests", "evidence.predictor"},
    "facts": {"model", "csi", "calls", "incidents", "match", "volumes"},
    "services": {"csi", "model"},
    "folds": {"model", "calls", "incidents", "joins", "facts"},
    "diagnose": {"model", "csi", "match", "calls", "incidents", "folds", "joins", "facts", "services", "volumes", "evidence.weigh"},
    "unknown": {"model", "csi", "incidents", "shapes"},
    "shapes": set(),
    "advise": {"model"},
    "timeline": {"model"},
    # tables
    "columns.schemas": {"errors"},
    "columns.subject": {"account", "csi", "match", "model", "volumes"},
    "columns.arrays": set(),
    "columns.requests": {"columns.subject"},
    "columns.runs": {"columns.requests", "columns.subject", "model", "quiet", "stamps"},
    "columns.mixed": {"account", "columns.arrays", "columns.requests", "columns.runs", "columns.subject", "model", "quiet"},
    "columns.rows": {
        "account", "columns.arrays", "columns.mixed", "columns.requests", "columns.runs", "columns.schemas", "columns.subject", "model", "quiet",
    },
    "columns.veiled": {"columns.arrays", "listening", "model", "quiet"},
    "columns.files": {"columns.arrays", "errors", "report.sheet"},
    "columns": {"crew", "model", "quiet", "columns.rows", "columns.schemas", "columns.veiled", "errors", "rules", "scan", "sources"},
    "commands.table": {"commands.redacting", "columns", "columns.files", "commands.inputs", "edge", "errors", "filing", "rules", "scan", "terminal", "times"},
    "account": {"csi", "model", "sources"},
    "listening": {"model", "quiet"},
    "scan": BELOW_SCAN | {"account", "listening"},
    # files read elsewhere
    "partials": {
        "bundles", "errors", "finding", "match", "model", "narrow", "passing", "quiet", "ranges", "reading", "remote", "rules", "scan",
        "sorting", "sources",
    },
    "crew": {"errors", "finding", "forks", "partials", "quiet", "rules", "scan", "sources"},
    "fleet": {"errors", "finding", "forks", "model", "partials", "quiet", "rules", "scan", "sources"},
    # a log that goes on
    "tail": {"errors", "finding", "sources", "unpack"},
    "peek": {"match", "model", "passing", "reading", "rules", "scan"},
    "ledger": {"model"},
    "follow": {"model", "ledger", "peek", "reading", "scan", "sorting", "sources", "tail"},
    # A writer is a function of the Report alone.
    "report.safe": {"model"},
    "report.page": {"model", "report.safe"},
    "report.table": {"model", "report.safe"},
    "report.words": {"model"},
    "report.text": {"model", "report.safe", "report.page", "report.words"},
    "report.trace": {"model", "report.safe", "report.page", "report.words"},
    "report.json_v1": {"model", "report.safe"},
    "report.json_reader": {"model", "errors", "report.json_v1"},
    "report.identity": {"model"},
    "report.mdtext": {"report.safe"},
    "report.ndjson": {"model", "report.json_v1"},
    "report.sheet": {"model", "report.identity", "report.safe", "report.words"},
    "report.sarif": {"model", "report.identity", "report.json_v1", "report.mdtext", "report.safe", "report.words"},
    "report.junit": {"model", "report.safe", "report.words"},
    "report.github": {"model", "report.safe", "report.words"},
    "report.gitlab": {"model", "report.identity", "report.json_v1", "report.safe", "report.words"},
    "report.issue": {"model", "pseudonyms", "redact", "redactreport", "report.json_v1", "report.mdtext", "report.words"},
    "report.markdown": {"model", "report.mdtext", "report.words"},
    "report.html.dom": {"report.safe"},
    "report.html.cards": {"model", "report.html.dom", "report.words"},
    "report.html.rest": {"model", "report.html.cards", "report.html.dom", "report.words"},
    "report.html.charts": {"model", "report.html.cards", "report.html.dom", "report.json_v1", "report.safe", "report.words"},
    "report.html.notebook": {"model", "report.html.cards", "report.html.dom", "report.words"},
    "api": {"columns", "crew", "model", "report", "report.html.notebook", "report.text", "rules", "scan", "sources"},
    "report.html": {"model", "report.html.cards", "report.html.charts", "report.html.dom", "report.html.rest", "report.words"},
    "report.trace_v1": {"model", "report.json_v1"},
    "report": {"compare", "report.diff", "report.diff_v1", "model", "report.text", "report.json_v1", "report.trace", "report.trace_v1"},
    # tools for who writes rules
    "rulebook.coverage": {"errors", "rules", "scan", "sources", "report.table"},
    "rulebook.ruledraft": {"account", "model", "errors", "match", "rulebook.rulefile", "rules", "scan", "sources", "unknown"},
    "rulebook.rulemanual": {"model", "rulebook.ruledoc", "rules"},
    "rulebook.ruletests": {"model", "errors", "rules", "scan", "report.table"},
    "rulebook.whynot": {
        "account", "model", "errors", "facts", "incidents", "match", "rulebook.ruledoc", "rulebook.rulelint", "rules", "scan", "sources",
        "report.safe",
    },
    # what leaves
    "pseudonyms": set(),
    "secrets": set(),
    "contexts": set(),
    "tables": set(),
    "redact": {"contexts", "csi", "frames", "model", "services", "shippers", "pseudonyms", "secrets", "tables"},
    "redactmap": {"errors", "filing", "pseudonyms"},
    "redactstream": {"errors", "redact", "sources"},
    "redactreport": {"errors", "history", "ledger", "model", "quiet", "redact", "shapes", "timeline", "unknown"},
    "commands.redacting": {"commands.redact", "errors", "evidence", "ledger", "model", "pseudonyms", "redact", "redactmap", "redactreport", "rules", "scan", "terminal"},
    "commands.redact": {"commands.inputs", "edge", "errors", "filing", "pseudonyms", "redact", "redactmap", "redactstream", "rules", "sources", "terminal"},
    # the edge
    "edge": {"model", "report.safe"},
    "cluster": set(),
    "cluster.run": set(),
    "cluster.collect": {"cluster.run", "errors"},
    "cluster.pack": {"bundles", "cluster.run", "filing"},
    "commands.kubectl": {"commands.redacting", "commands.configured", "cluster.collect", "cluster.pack", "cluster.run", "edge", "errors", "rules", "scan", "sources", "terminal", "model"},
    "rulescli": {
        "commands.inputs", "edge", "errors", "sources", "rules", "rulebook.coverage", "rulebook.ruledraft", "rulebook.rulemanual", "rulebook.ruletests", "rulebook.whynot",
        "report.table", "terminal",
    },
    "report.happenings": {"model", "report.json_v1", "report.page", "report.words"},
    "report.area": {"model", "ledger", "report.happenings", "report.page", "report.safe", "report.words"},
    "report.metrics": {"model"},
    "commands": set(),
    "doctor": {"", "config", "errors", "forks", "rules", "scan", "sources"},
    "commands.figures": {"errors", "filing", "model", "report.metrics"},
    "commands.follow": {
        "commands.redacting", "ledger", "commands.figures", "edge", "errors", "follow", "model", "report", "report.area", "report.happenings", "scan", "tail", "terminal",
    },
    "commands.convert": {"commands.inputs", "edge", "errors", "terminal"},
    "terminal": {"undo", "filing", "compare", "model", "errors", "report"},
    "times": {"model", "errors"},
    "commands.completion": {"terminal"},
    "commands.doctor": {"", "doctor", "edge", "report.table", "terminal"},
    "commands.manpages": {""},
    "commands.inputs": {"crew", "edge", "errors", "filing", "fleet", "model", "quiet", "report.json_reader", "rules", "scan", "sorting", "sources", "terminal", "times"},
    "compare": {"", "model", "report.identity"},
    "report.diff": {"compare", "model", "report.page", "report.words"},
    "report.diff_v1": {"compare", "model", "report.json_v1"},
    "commands.diff": {
        "commands.configured", "commands.inputs", "commands.redacting", "compare", "edge", "errors", "model", "rules", "scan", "terminal",
    },
    "config": {"errors", "filing", "report", "rulebook.vocabulary"},
    "commands.configured": {"config"},
    "commands.config": {"commands.configured", "config", "edge", "report.json_v1", "report.safe", "terminal"},
    "ignores": {"errors", "model", "rulebook.vocabulary", "rulebook.yamltree"},
    "gate": {"ignores", "model", "report.identity", "scan"},
    "commands.check": {
        "commands.redacting", "", "commands.configured", "commands.figures", "commands.inputs", "edge", "errors", "filing", "gate", "ignores", "model", "report.json_v1", "rulebook.vocabulary",
        "rules", "scan", "terminal",
    },
    "commands.diagnose": {
        "commands.redacting", "commands.configured", "commands.figures", "commands.follow", "commands.inputs", "edge", "model", "rules", "scan", "terminal", "times",
    },
    "commands.predict": {"commands.redacting", "rules", "commands.inputs", "edge", "errors", "evidence", "evidence.foretell", "report.predict", "terminal"},
    "commands.trace": {"commands.redacting", "commands.configured", "commands.inputs", "edge", "errors", "finding", "rules", "scan", "terminal", "timeline", "times"},
    # It imports commands when they are called for, see test_commands_are_imported_when_they_are_called_for.
    "cli": {"undo", "commands.completion", "commands.kubectl", "terminal", "edge", "errors"},
}  # fmt: skip

# Each dependency has one home.
HOMES: dict[str, set[str]] = {
    "click": {"cli", "edge", "rulescli", *(f"commands.{path.stem}" for path in (PACKAGE / "commands").glob("*.py"))},
    "yaml": {"rulebook.yamltree", "rules", "rulebook.rulefile", "evidence.manifests", "evidence.trees"},
    "regex": {"match", "rules", "rulebook.rulefile", "rulebook.rulereader", "rulebook.whynot"},
    "ahocorasick_rs": {"match", "narrow"},
    "zstandard": {"partials", "unpack"},
    "distributed": {"fleet"},
    "numpy": {"columns.arrays", "columns.files", "columns.mixed", "columns.runs", "columns.veiled", "heads", "narrow"},
    "fsspec": {"remote"},
    "pyarrow": {
        "api",
        "columns",
        "columns.arrays",
        "columns.files",
        "columns.mixed",
        "columns.rows",
        "columns.schemas",
        "columns.veiled",
    },
    "pandas": {"columns"},
}


def name_of(path: Path) -> str:
    """The module's name below logscan: "model", "report.text", "report", ""."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def imports_of(path: Path) -> list[tuple[int, str]]:
    """(line, dotted name) of everything that is imported anywhere in a file, also for types only."""
    own = name_of(path).split(".") if name_of(path) else []
    package = own if path.name == "__init__.py" else own[:-1]
    found: list[tuple[int, str]] = []
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package[: len(package) - node.level + 1]
                base = ".".join(["logscan", *above, *filter(None, [node.module])])
            found += [(node.lineno, f"{base}.{alias.name}") for alias in node.names]
    return found


def ours(dotted: str) -> str | None:
    """Which of our modules is imported; None: it is somebody else's."""
    if dotted.split(".", maxsplit=1)[0] != "logscan":
        return None
    rest = dotted.split(".")[1:]
    while rest and not ((PACKAGE / Path(*rest)).is_dir() or (PACKAGE / Path(*rest)).with_suffix(".py").is_file()):
        rest.pop()  # a name out of the module
    return ".".join(rest)


@pytest.mark.parametrize("path", MODULES, ids=[name_of(path) or "logscan" for path in MODULES])
def test_imports_go_down(path):
    name = name_of(path)
    assert name in MAY_IMPORT, f"say in {Path(__file__).name} what logscan.{name} may import"
    for line, dotted in imports_of(path):
        other = ours(dotted)
        if other:
            assert other in MAY_IMPORT[name], f"{path}:{line}: {name} must not know {other}"


def test_the_table_has_no_cycle_and_nothing_that_is_gone():
    tuple(graphlib.TopologicalSorter(MAY_IMPORT).static_order())
    assert set(MAY_IMPORT) == {name_of(path) for path in MODULES}


@pytest.mark.parametrize("path", MODULES, ids=[name_of(path) or "logscan" for path in MODULES])
def test_dependencies_stay_in_their_homes(path):
    for line, dotted in imports_of(path):
        package = dotted.split(".")[0]
        if package == "logscan" or package in sys.stdlib_module_names:
            continue
        assert package in HOMES, f"{path}:{line}: {package} has no home"
        assert name_of(path) in HOMES[package], f"{path}:{line}: {package} lives in {sorted(HOMES[package])}"


def dotted_name(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return f"{dotted_name(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


@pytest.mark.parametrize("path", [path for path in MODULES if name_of(path) != "cli"], ids=name_of)
def test_only_the_edge_speaks(path):
    """The library returns and raises; cli prints and exits."""
    forbidden = {"print", "exit", "quit", "sys.exit", "os._exit", "logging.basicConfig", "SystemExit"}
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Call):
            called = dotted_name(node.func)
            assert called not in forbidden, f"{path}:{node.lineno}: {called}"


def test_there_is_one_grammar_of_the_header():
    """Two patterns of klog's header would drift apart."""
    found = []
    for path in MODULES:
        tree = tree_of(path)
        documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
        docs = {ast.get_docstring(node, clean=False) for node in ast.walk(tree) if isinstance(node, documented)}
        found += [
            f"{name_of(path)}:{node.lineno}"
            for node in ast.walk(tree)
            if isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and "[IWEF]" in node.value
            and node.value not in docs
            and "Log line format" not in node.value
        ]
    assert [place.split(":")[0] for place in found] == ["klog"], found


EVERY = [
    *MODULES,
    *(path for place in ("tests", "benchmarks", "fuzz") for path in sorted((ROOT / place).rglob("*.py"))),
]


@pytest.mark.parametrize("path", EVERY, ids=[str(path.relative_to(ROOT)) for path in EVERY])
def test_a_module_fits_in_one_sitting(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MAX_LINES


def test_the_start_is_light():
    """--version answers at once: what is heavy is imported by who uses it."""
    heavy = sorted(HOMES.keys() - {"click"})
    code = f"import sys, logscan.cli; print(*[name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.split() == []


def test_commands_are_imported_when_they_are_called_for():
    code = (
        "import sys; from logscan import cli; cli.run(['--version'])\n"
        "named = {f'logscan.{module}' for module, _ in cli.COMMANDS.values()}; print(*named & sys.modules.keys())\n"
        "cli.run(['rules', '--help']); print(*named & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    lines = done.stdout.splitlines()
    assert lines[1] == ""
    assert lines[-1] == "logscan.rulescli"
