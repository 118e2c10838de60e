"""From raw figures to Markdown: medians over the runs, the ratio to the best peer, and whether each target is met.

The best peer of a step is the other tool with the least median wall time. Peak memory is the largest of any step and
run, not a median. "Stored anew" is by how much the repository grew in that step, as lengths of files.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median

OURS = "photovault"
PHOTOS, MANY = "photos", "many"
TITLES = {
    "first": "first backup",
    "same": "backup, no change",
    "new": "backup, +1 % new files",
    "edit": "backup after metadata edits of 2 %",
    "fewer": "backup after 10 % of the files were deleted",
    "rename": "backup after every folder was renamed",
    "forget": "forget all snapshots but the last, and give back the space",
    "open": "list the snapshots",
    "restore": "full restore",
    "one": "restore one file",
    "check": "check, structure",
    "full": "check, all data",
}
_RATIO_TARGETS = {
    (PHOTOS, "first"): 0.35,
    (PHOTOS, "same"): 0.6,
    (PHOTOS, "rename"): 0.1,
    (PHOTOS, "restore"): 0.6,
    (PHOTOS, "full"): 0.5,
    (MANY, "first"): 0.8,
    (MANY, "same"): 0.6,
}
_PEAK_TARGET_MB = 300
_EDIT_TARGET = 0.03
_RENAME_TARGET = 0.001


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One measured step: seconds, bytes, and the number of objects in the repository after it.

    `base_bytes` is what growth is compared with: the bytes added or edited in this step, else those of the library.
    """

    library: str
    run: int
    step: str
    tool: str
    wall_s: float
    cpu_s: float
    peak_bytes: int
    stored_bytes: int
    stored_objects: int
    grown_bytes: int
    base_bytes: int
    main_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of a table of single figures; `most` or `least`: what it may be, in the same unit, if that is set."""

    title: str
    value: float
    form: str
    most: float | None = None
    least: float | None = None

    def __str__(self) -> str:
        """Return it as a row of Markdown."""
        return _line([self.title, self.form.format(self.value), *self._verdict()])

    def _verdict(self) -> tuple[str, str]:
        if self.least is not None:
            return ">= " + self.form.format(self.least), "met" if self.value >= self.least else "**missed**"
        return _verdict(self.value, self.most, self.form)


def rows_table(rows: Sequence[Row]) -> str:
    """Return the Markdown table of single figures."""
    return "\n".join(["|  | figure | target |  |", "| --- | ---: | ---: | --- |", *map(str, rows)])


def table(figures: Sequence[Figure], tools: Sequence[str]) -> str:
    """Return the Markdown table of one library; `figures` are not empty and all of that library."""
    heads = ["", *tools, "ratio to best peer", "target", ""]
    steps = list(dict.fromkeys(figure.step for figure in figures))
    rows = [_time_row(figures, step, tools) for step in steps]
    rows += _space_rows(figures, steps, tools)
    return "\n".join(map(_line, [heads, ["---"] * len(heads), *rows]))


def _time_row(figures: Sequence[Figure], step: str, tools: Sequence[str]) -> list[str]:
    walls = {tool: _median(figures, step, tool, lambda figure: figure.wall_s) for tool in tools}
    cells = [
        f"{walls[tool]:.2f} s ({_median(figures, step, tool, lambda figure: figure.cpu_s):.1f} cpu, "
        f"{_median(figures, step, tool, lambda figure: figure.peak_bytes) / 1e6:.0f} MB)"
        for tool in tools
    ]
    peers = [wall for tool, wall in walls.items() if tool != OURS]
    ratio = walls[OURS] / min(peers) if OURS in walls and peers else None
    target = _RATIO_TARGETS.get((figures[0].library, step))
    return [TITLES[step], *cells, "" if ratio is None else f"{ratio:.2f}", *_verdict(ratio, target, "{:g}")]


def _space_rows(figures: Sequence[Figure], steps: Sequence[str], tools: Sequence[str]) -> Iterator[list[str]]:
    peaks = {tool: max(figure.peak_bytes for figure in figures if figure.tool == tool) for tool in tools}
    verdict = _verdict(peaks[OURS] / 1e6 if OURS in peaks else None, _PEAK_TARGET_MB, "{:g} MB")
    yield ["peak memory of any step", *(f"{peaks[tool] / 1e6:.0f} MB" for tool in tools), "", *verdict]
    for step, when in (("first", "the first backup"), ("forget", "forget")):
        if step in steps:
            yield [f"stored after {when}", *(_stored(figures, step, tool) for tool in tools), "", "", ""]
    for step, target, of in (
        ("new", None, "the new files"),
        ("edit", _EDIT_TARGET, "the edited files"),
        ("rename", _RENAME_TARGET, "the library"),
    ):
        if step in steps:
            grown = {tool: _median(figures, step, tool, _growth) for tool in tools}
            cells = [f"{grown[tool]:.3%} of {of}" for tool in tools]
            yield [f"stored anew: {TITLES[step]}", *cells, "", *_verdict(grown.get(OURS), target, "{:.1%}")]


def _verdict(value: float | None, target: float | None, form: str) -> tuple[str, str]:
    if target is None:
        return "", ""
    shown = "<= " + form.format(target)
    return shown, "" if value is None else "met" if value <= target else "**missed**"


def _growth(figure: Figure) -> float:
    return figure.grown_bytes / max(1, figure.base_bytes)


def _stored(figures: Sequence[Figure], step: str, tool: str) -> str:
    size = _median(figures, step, tool, lambda figure: figure.stored_bytes)
    objects = _median(figures, step, tool, lambda figure: figure.stored_objects)
    return f"{size / 1e6:,.1f} MB, {objects:,.0f} objects"


def _median(figures: Sequence[Figure], step: str, tool: str, value: Callable[[Figure], float]) -> float:
    return median(value(figure) for figure in figures if figure.step == step and figure.tool == tool)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
