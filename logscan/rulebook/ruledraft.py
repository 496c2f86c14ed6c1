"""A rule to start from, drafted from records that no rule knows."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from logscan import match, scan, unknown
from logscan.account import Account
from logscan.errors import LogscanError, SourceError
from logscan.model import COMPONENTS, Record, Report, Rule, Severity, Unrecognised
from logscan.rulebook.rulefile import KEBAB
from logscan.rules import RuleSet, parse
from logscan.sources import Source

MIN_LITERAL = 6  # characters; lint doubts a shorter one
MAX_LITERAL = 120
MAX_EXAMPLE = 4_096  # characters of a record in a test
MAX_KEPT = 2_000  # shapes of W, E and F records
TESTS = 2  # of each kind

# What the driver puts around every error: it tells nothing of this one.
_ENVELOPE = re.compile(r"^(?:GRPC error: )?(?:rpc error: code = \w+ desc = )*")
_MASK = re.compile(r"pvc-<uuid>|<(?:uuid|time|address|path|hex|n|\*)>")
# What each mask of unknown.template stands for, and the name of its group; "" is none.
_GROUPS = {
    "pvc-<uuid>": ("volume", r"pvc-[0-9a-f-]{36}"),
    "<uuid>": ("", r"[0-9a-fA-F-]{36}"),
    "<time>": ("", r"\d[\d:.,Z+/-]+(?:[T ][\d:.,Z+-]+)?"),
    "<address>": ("address", r"[0-9a-fA-F.:/\[\]]+"),
    "<path>": ("path", r"/[^\s\"'/:,)\]](?:[^\s\"':,)\]]*)"),
    "<hex>": ("", r"[0-9a-fA-FxX]+"),
    "<n>": ("", r"-?\d[\w.]*%?"),
    "<*>": ("", r"\S+"),  # a word in which the records of a cluster differ
}
_WORD = re.compile(r"[A-Za-z][A-Za-z]+")
_HEALTHY = (
    "I0720 09:53:52.201408       1 utils.go:109] GRPC call: /csi.v1.Identity/Probe\n",
    'I0720 09:53:52.201600       1 utils.go:116] GRPC response: {"ready":{"value":true}}\n',
)


class _Watcher(scan.Scanner):
    """The real program; keeps examples of the shapes that it reads."""

    def __init__(self, rules: RuleSet, options: scan.Options | None) -> None:
        super().__init__(rules, options)
        self.shapes: dict[str, list[Record]] = {}

    def _record(self, state: Account, record: Record) -> None:
        problem = record.severity is not None and record.severity >= Severity.WARNING
        shape = unknown.template(record.message)
        known = self.shapes.get(shape)
        if known is None and (problem or len(self.shapes) < MAX_KEPT // 2) and len(self.shapes) < MAX_KEPT:
            known = self.shapes[shape] = []
        if known is not None and len(known) < TESTS and record.message not in [one.message for one in known]:
            known.append(record)
        super()._record(state, record)


@dataclass(frozen=True, slots=True)
class Draft:
    """The text of a rule file, and what is to be known of it."""

    id: str
    text: str
    remarks: tuple[str, ...] = ()


def draft(
    number: int,
    rules: RuleSet,
    sources: Iterable[Source | SourceError],
    *,
    rule_id: str | None = None,
    options: scan.Options | None = None,
) -> tuple[Draft, tuple[SourceError, ...]]:
    """A rule for the *number*-th entry of the report's ``unrecognised``, from 1, and what could not be read.

    Raises:
        LogscanError: there is no such cluster, it holds too little fixed text, or
            the id is none or taken.
    """
    if rule_id is not None and not KEBAB.fullmatch(rule_id):
        raise LogscanError(rule_id, "it is no id of a rule", "use small letters, digits and single hyphens")
    watcher = _Watcher(rules, options)
    for source in sources:
        watcher.read(source)
    cluster = _cluster(watcher.report(), number)
    literal, pattern = _signature(cluster)
    rule_id = rule_id or _id(literal, rules)
    if rule_id in rules.by_id:
        raise LogscanError(rule_id, "a rule has this id, and the draft would override it", "give another with --id")
    fitting = (kept for kept in watcher.shapes.values() if unknown.fits(kept[0].message, cluster.template))
    examples = [record for kept in fitting for record in kept][:TESTS]
    positive = [_text(record) for record in examples] or [cluster.first.text + "\n"]
    skeleton = _Skeleton(rule_id, cluster, literal, pattern, _component(examples), positive, list(_HEALTHY))
    rule = parse(skeleton.render(), f"{rule_id}.yaml")
    engine = match.Engine([rule])
    if pattern is not None and not all(engine.match(record) for record in examples):
        skeleton.pattern = None
        engine = match.Engine([parse(skeleton.render(), f"{rule_id}.yaml")])
    others = [_text(record) for record in _others(watcher, cluster, engine)]
    skeleton.negative = [*others, *_HEALTHY][:TESTS]
    text = skeleton.render()
    rule = parse(text, f"{rule_id}.yaml")
    return Draft(rule_id, text, tuple(_remarks(rule, others, cluster))), watcher.errors()


def _cluster(report: Report, number: int) -> Unrecognised:
    if not 1 <= number <= len(report.unrecognised):
        there = len(report.unrecognised)
        what = f"the log has {there} clusters that no rule knows" if there else "there is nothing that no rule knows"
        raise LogscanError(f"cluster {number}", what, f"--cluster takes 1 to {there}" if there else "")
    return report.unrecognised[number - 1]


def _text(record: Record) -> str:
    return (record.header + record.message.rstrip("\n"))[:MAX_EXAMPLE] + "\n"


def _component(examples: Sequence[Record]) -> str:
    found = next((one.origin.component for one in examples if one.origin.component), "")
    return found if found in COMPONENTS else "any"


def _others(watcher: _Watcher, cluster: Unrecognised, engine: match.Engine) -> list[Record]:
    """Records of other shapes, those first that share most words with the cluster: near misses."""
    wanted = set(_WORD.findall(_told(cluster.template)))
    found = []
    for shape, records in watcher.shapes.items():
        if shape != cluster.template and records and not engine.match(records[0]):
            severity = records[0].severity or Severity.INFO
            found.append((len(wanted.intersection(_WORD.findall(_told(shape)))), int(severity), records[0]))
    # Sorting is stable: of those that are as near, the first stays first.
    return [record for *_, record in sorted(found, key=lambda one: (-one[0], -one[1]))[:TESTS]]


def _remarks(rule: Rule, others: Sequence[str], cluster: Unrecognised) -> Iterator[str]:
    if len(rule.must_match) < TESTS:
        yield f"the log holds one example only ({cluster.count} records are alike); add another framing or version"
    if len(others) < TESTS:
        yield "the log holds too few other records; put a near miss in the place of the made-up ones"


# ---------------------------------------------------------------- what marks a record


def _told(shape: str) -> str:
    """A shape without what the driver puts around every error."""
    return _ENVELOPE.sub("", shape) or shape


def _signature(cluster: Unrecognised) -> tuple[str, str | None]:
    """The longest fixed text of a shape, and a pattern of all of it."""
    shape = _told(cluster.template)
    parts = _MASK.split(shape)
    masks = _MASK.findall(shape)
    literal = max((part[:MAX_LITERAL] for part in parts), key=lambda part: len(part.strip()))
    if len(literal.strip()) < MIN_LITERAL:
        raise LogscanError(
            cluster.template, "the cluster holds too little fixed text to know it by", "write the rule by hand"
        )
    taken: dict[str, int] = {}
    pattern = _escape(parts[0])
    for mask, part in zip(masks, parts[1:], strict=True):
        name, expression = _GROUPS[mask]
        taken[name] = taken.get(name, 0) + 1
        named = f"{name}{taken[name] if taken[name] > 1 else ''}"
        pattern += (f"(?P<{named}>{expression})" if name else expression) + _escape(part)
    return literal, pattern if masks else None


def _escape(text: str) -> str:
    return re.sub(r"([\\.^$*+?{}\[\]|()#])", r"\\\1", text)


def _id(literal: str, rules: RuleSet) -> str:
    words = [word.lower() for word in _WORD.findall(literal)][:5] or ["record"]
    name = "-".join(["draft", *words])
    number = 2
    while name in rules.by_id:
        name = "-".join(["draft", *words, str(number)])
        number += 1
    return name


# ---------------------------------------------------------------- the file


@dataclass(slots=True)
class _Skeleton:
    """What a draft is filled with."""

    rule_id: str
    cluster: Unrecognised
    literal: str
    pattern: str | None
    component: str
    positive: list[str]
    negative: list[str]

    def render(self) -> str:
        """The file's text."""
        severity = "warning" if self.cluster.severity == Severity.WARNING else "error"
        title = self.literal.strip(" :,;").replace("{", "(").replace("}", ")")
        pattern = f"\n    pattern: {_scalar(self.pattern)}" if self.pattern else ""
        return (
            f"# A draft: put the cause in words, choose its category, and say how to confirm and to mend it.\n"
            f"# `logscan rules schema` tells what a rule may hold; the logs below may hold names of yours.\n"
            f"id: {self.rule_id}\n"
            f"title: {_scalar(title)}\n"
            f"severity: {severity}\n"
            f"components: [{self.component}]\n"
            f"match:\n"
            f"  - literal: {_scalar(self.literal)}{pattern}\n"
            f"causes:\n"
            f"  - category: insufficient-evidence\n"
            f"    cause: {_scalar('not known yet: ' + title)}\n"
            f"    confidence: low\n"
            f"    confirm:\n"
            f"      - 'kubectl -n kube-system logs -l app=csi-nfs-controller -c nfs --tail=-1'\n"
            f"    remedy:\n"
            f"      summary: 'Say here what to do.'\n"
            f"tests:\n"
            f"  match:\n{''.join(self._tests(self.positive, 'example', expect=True))}"
            f"  no_match:\n{''.join(self._tests(self.negative, 'another record', expect=False))}"
        )

    @staticmethod
    def _tests(logs: Sequence[str], name: str, *, expect: bool) -> Iterator[str]:
        for number, log in enumerate(logs, 1):
            yield f"    - name: {name} {number}\n      log: {_block(log, 8)}\n"
            if expect:
                yield "      expect:\n        category: insufficient-evidence\n"


_PLAIN = re.compile(r"[ -~]*")


def _scalar(text: str) -> str:
    """One line of text as YAML reads it back."""
    if _PLAIN.fullmatch(text):
        return "'" + text.replace("'", "''") + "'"
    return _quoted(text)


def _quoted(text: str) -> str:
    def escaped(char: str) -> str:
        if char in '"\\':
            return f"\\{char}"
        if char.isprintable():
            return char
        code = ord(char)
        return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"

    return '"' + "".join(escaped(char) for char in text) + '"'


def _block(text: str, indent: int) -> str:
    """A log as a block of YAML, or quoted where a block could not hold it."""
    lines = text.rstrip("\n").split("\n")
    if lines[0].startswith(" ") or not lines[0] or not all(line.replace("\t", " ").isprintable() for line in lines):
        return _quoted(text)
    return "|\n" + "\n".join(" " * indent + line if line else "" for line in lines)
