"""What the plots of the notebooks have in common: colours, and a volume's calls as a timeline."""

from __future__ import annotations

from collections.abc import Iterable

import matplotlib.dates as mdates
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

# The colours of Okabe and Ito: those who see red and green alike tell them apart, and so does a grey printer
# most of them.
BLUE, VERMILION, GREEN, ORANGE, SKY, PURPLE, YELLOW = (
    "#0072b2", "#d55e00", "#009e73", "#e69f00", "#56b4e9", "#cc79a7", "#f0e442",
)  # fmt: skip
INK, SOFT, FAINT = "#171c24", "#5c6675", "#dde1e7"
CYCLE = (VERMILION, BLUE, ORANGE, GREEN, PURPLE, SKY, SOFT, YELLOW)


def use() -> None:
    """Let all plots that follow look alike: readable at a notebook's width, nothing but data in colour."""
    plt.rcParams.update(
        {
            "axes.axisbelow": True,
            "axes.edgecolor": FAINT,
            "axes.grid": True,
            "axes.labelcolor": SOFT,
            "axes.prop_cycle": plt.cycler(color=CYCLE),
            "axes.spines.right": False,
            "axes.spines.top": False,
            "axes.titlecolor": INK,
            "axes.titlelocation": "left",
            "axes.titlepad": 12,
            "axes.titlesize": 12,
            "axes.titleweight": "bold",
            "figure.constrained_layout.use": True,
            "figure.dpi": 100,
            "figure.figsize": (9.6, 4),
            "font.size": 10,
            "grid.color": FAINT,
            "legend.frameon": False,
            "text.color": INK,
            "xtick.color": SOFT,
            "xtick.labelcolor": INK,
            "ytick.color": SOFT,
            "ytick.labelcolor": INK,
        }
    )


def colours(names: Iterable[str]) -> dict[str, str]:
    """A colour for each name; the same names in the same order have the same colours in every plot."""
    return {name: CYCLE[min(place, len(CYCLE) - 1)] for place, name in enumerate(dict.fromkeys(names))}


def span(seconds: float) -> str:
    """A time as people say it: 48 s, 5 min, 1 h 12 min."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min" if minutes < 2880 else f"{minutes / 1440:.0f} days"


def note(ax: Axes, text: str, place: tuple[object, object], shift: tuple[float, float] = (0, 0), **how: object) -> None:
    """Write small beside a place of the data, *shift* points to the right and up."""
    ax.annotate(text, place, xytext=shift, textcoords="offset points", **{"fontsize": 9, **how})


def timeline(ax: Axes, calls: pd.DataFrame, lanes: pd.Series, *, until: pd.Timestamp | None = None) -> None:
    """Draw calls as marks over time: how each ended, and the pauses between.

    Args:
        calls: of ``logscan.read(..., what="calls")`` as a frame; those without a start are left out.
        lanes: the label of the lane in which each of them is drawn, with the same index.
        until: how far the log goes; a lane whose last call failed waits up to it.
    """
    calls = calls.dropna(subset=["start"]).sort_values("start")
    names = sorted(lanes[calls.index].unique(), key=lambda name: (-name.count("\n"), name.partition("\n")[0]))
    for height, name in enumerate(reversed(names)):
        _lane(ax, calls[lanes[calls.index] == name], height, until)
    ax.set_yticks(range(len(names)), list(reversed(names)))
    ax.set_ylim(-0.6, len(names) - 0.4)
    ax.grid(visible=False, axis="y")
    locator = mdates.AutoDateLocator(minticks=4, maxticks=9)
    ax.xaxis.set_major_locator(locator)
    ax.xaxis.set_major_formatter(mdates.DateFormatter("%H:%M"))


def _lane(ax: Axes, calls: pd.DataFrame, height: float, until: pd.Timestamp | None) -> None:
    starts, ends = calls["start"], calls["end"].fillna(calls["start"])
    bad = (calls["outcome"] != "ok").to_numpy()
    for failed, start, following in zip(bad[:-1], ends[:-1], starts[1:], strict=True):
        if failed:  # a pause after a success is nobody's waiting
            ax.hlines(height, start, following, color=VERMILION, linewidth=1.2, alpha=0.45)
    if until is not None and len(bad) and bad[-1]:
        ax.hlines(height, ends.iloc[-1], until, color=VERMILION, linewidth=1.2, alpha=0.45, linestyle=(0, (2, 2)))
    seconds = (ends - starts).dt.total_seconds().to_numpy()
    for failed, start, end, took in zip(bad, starts, ends, seconds, strict=True):
        if took > 10:
            ax.hlines(height, start, end, color=VERMILION if failed else GREEN, linewidth=7, alpha=0.55)
    ax.scatter(starts[bad], [height] * bad.sum(), marker="x", s=48, linewidths=1.8, color=VERMILION, zorder=3)
    ax.scatter(starts[~bad], [height] * (~bad).sum(), marker="o", s=52, color=GREEN, edgecolors="white", zorder=3)


def legend(ax: Axes) -> None:
    """Say what the marks of a timeline mean, below it on the right."""
    marks = {
        "failed": Line2D([], [], marker="x", markersize=7, markeredgewidth=1.8, color=VERMILION, linestyle=""),
        "went well": Line2D([], [], marker="o", markersize=7, color=GREEN, linestyle=""),
        "waits for the next attempt": Line2D([], [], color=VERMILION, alpha=0.6),
    }
    # Within the axes' width and below the ticks: titles are long.
    ax.legend(marks.values(), marks, loc="upper right", bbox_to_anchor=(1, -0.1), ncols=len(marks), borderaxespad=0.2)
