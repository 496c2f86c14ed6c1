"""W, E and F records that no rule knows, gathered by shape so that nothing bad is silent."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from logscan import csi
from logscan.incidents import Incident
from logscan.model import Evidence, Severity, Unrecognised
from logscan.shapes import ALIKE, fits, likeness, merged, template, words

__all__ = ["cluster", "fits", "template"]

MAX_EXAMPLE = 1_000  # characters of the message that is shown
MAX_CLUSTERS = 500  # reported; the rest is summed up in one line per severity
# Shapes of one file and length that a new one is compared with: of hundreds of thousands that all
# differ, the rest stay as they are.
MAX_COMPARED = 50

_CODE = re.compile(r"\bcode = (\w+)")


@dataclass(slots=True)
class _Shape:
    """Records of one shape.  Mutable: it takes in others."""

    severity: Severity
    words: tuple[str, ...]
    template: str
    sources: Counter[str] = field(default_factory=Counter)
    count: int = 0
    first: tuple[tuple[object, ...], Evidence, str] | None = None  # (when, where, its message)
    last: tuple[tuple[object, ...], Evidence] | None = None

    def take(self, other: _Shape) -> None:
        """Count another's records as its own."""
        self.count += other.count
        self.sources.update(other.sources)
        if other.first is not None and (self.first is None or other.first[0] < self.first[0]):
            self.first = other.first
        if other.last is not None and (self.last is None or other.last[0] > self.last[0]):
            self.last = other.last

    def order(self) -> tuple[object, ...]:
        """Most severe and most frequent first; the rest makes it the same in every run."""
        return (-self.severity, -self.count, self.template, self.source())

    def source(self) -> str:
        """The source line that logged most of them."""
        return min(self.sources, key=lambda name: (-self.sources[name], name), default="")

    def entry(self) -> Unrecognised:
        """What the report says of it."""
        assert self.first is not None
        assert self.last is not None
        return Unrecognised(
            self.template, self.severity, self.source(), self.count, self.first[1], self.last[1], self.first[2]
        )


def cluster(incidents: Iterable[Incident]) -> tuple[Unrecognised, ...]:
    """One entry per shape, most severe and most frequent first; the counts sum up to all records.

    Shapes are gathered as Drain does it (He et al., ICWS 2017): messages of one
    file and of as many words are one if most words are the same; a word that
    differs becomes ``<*>``.  Unlike Drain it works when all shapes are known,
    the most frequent first, so the order of the records does not matter.
    """
    groups: dict[tuple[object, ...], list[_Shape]] = defaultdict(list)
    for shape in _exact(incidents):
        groups[_group(shape)].append(shape)
    found: dict[tuple[object, ...], _Shape] = {}
    for key, shapes in groups.items():
        for shape in _gathered(shapes):
            # Two may have come to the same.
            same = found.setdefault((*key, shape.template), shape)
            if same is not shape:
                same.take(shape)
    ordered = sorted(found.values(), key=_Shape.order)
    return (*(shape.entry() for shape in ordered[:MAX_CLUSTERS]), *_summed_up(ordered[MAX_CLUSTERS:]))


def _exact(incidents: Iterable[Incident]) -> Iterable[_Shape]:
    """Incidents by severity, file and shape."""
    shapes: dict[tuple[object, ...], _Shape] = {}
    for incident in incidents:
        text = template(incident.message)
        # The line number moves from version to version; the file does not.
        key = (incident.severity, incident.source.partition(":")[0], text)
        shape = shapes.setdefault(key, _Shape(incident.severity, words(text), text))
        shape.take(_of_incident(incident, shape))
    return shapes.values()


def _of_incident(incident: Incident, shape: _Shape) -> _Shape:
    first, last = incident.first[0], incident.last or incident.first[-1]
    one = _Shape(shape.severity, shape.words, shape.template, count=incident.problems)
    one.sources[incident.source] = incident.problems
    began, ended = incident.first_time, incident.last_time
    # Without a time: after those that have one, in the order of the lines.
    one.first = ((began is None, began or 0, first.input, first.line), first, incident.message[:MAX_EXAMPLE])
    one.last = ((ended is None, ended or 0, last.input, last.line), last)
    return one


def _group(shape: _Shape) -> tuple[object, ...]:
    """What two shapes must share to be one: also the reason, however alike the other words are."""
    code = _CODE.search(shape.template)
    return (
        shape.severity, shape.source().partition(":")[0], len(shape.words), csi.errno_in(shape.template),
        code[1] if code else "",
    )  # fmt: skip


def _gathered(shapes: Sequence[_Shape]) -> list[_Shape]:
    """The shapes of one group, those that are alike in one."""
    found: list[_Shape] = []
    for shape in sorted(shapes, key=lambda one: (-one.count, one.words, one.template)):
        near = [(likeness(other.words, shape.words), -index) for index, other in enumerate(found[:MAX_COMPARED])]
        best, index = max(near, default=(0.0, 0))
        if best < ALIKE:
            found.append(shape)
            continue
        other = found[-index]
        other.words = merged(other.words, shape.words)
        other.template = " ".join(other.words)
        other.take(shape)
    return found


def _summed_up(rest: Sequence[_Shape]) -> Iterable[Unrecognised]:
    """One line for each severity of the shapes that are too many to be shown."""
    for severity in sorted({shape.severity for shape in rest}, reverse=True):
        others = [shape for shape in rest if shape.severity == severity]
        whole = _Shape(severity, (), f"({len(others)} more shapes)")
        for shape in others:
            whole.take(shape)
        whole.sources.clear()
        yield whole.entry()
