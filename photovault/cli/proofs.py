"""How much is proven at each destination, as ``status`` and ``drill`` tell it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from photovault.app.proven import said
from photovault.cli.output import count

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from photovault.app.proven import Place
    from photovault.cli.output import Output
    from photovault.model import Problem
    from photovault.proofs import Proven

_NAMED = 5  # photos


def row(proven: Proven | None, files: int) -> dict[str, object] | None:
    """The same for a program; None when nobody ever tried."""
    if proven is None:
        return None
    return {
        "percent": proven.percent(files),
        "files": proven.of(files),
        "files_proven": proven.proven,
        "oldest_proof": proven.oldest or None,
        "last_drill": proven.drilled or None,
        "damaged": _rows(proven.damaged),
        "rotten": _rows(proven.rotten),
        "folders_lost": proven.lost,
    }


def _rows(problems: Iterable[Problem]) -> list[dict[str, str]]:
    return [{"path": one.path, "what": one.what} for one in problems]


def show(out: Output, found: Sequence[Place], files: Mapping[str, int]) -> None:
    """A line for each destination; ``files``: how many each holds, as far as that is known."""
    for one in found:
        name = f"{one.name}: " if len(found) > 1 else ""
        if one.proven is not None or files.get(one.name):
            out.line(f"  {name}{said(one.proven, files.get(one.name, 0))}")
        _show_wrong(out, one, name)


def _show_wrong(out: Output, place: Place, name: str) -> None:
    proven = place.proven
    if proven is None:
        return
    if proven.damaged:
        out.always(f"  {name}DAMAGED: the last drill could not restore {count(len(proven.damaged), 'photo')}:")
        _named(out, proven.damaged)
        out.always(
            "    what to do: `photovault backup`, `photovault check --data all --repair`, then `photovault drill`"
        )
    if proven.lost:
        out.always(f"  {name}DAMAGED: {count(proven.lost, 'listing')} could not be read; run `photovault check`")
    if proven.rotten:
        out.always(f"  {name}ROTTED on this computer, whole in the vault: {count(len(proven.rotten), 'photo')}:")
        _named(out, proven.rotten)
        out.always("    what to do: bring them back with `photovault restore`, and look after this disk")


def _named(out: Output, problems: Sequence[Problem]) -> None:
    for one in problems[:_NAMED]:
        out.always(f"    {one.path}")
    if len(problems) > _NAMED:
        out.always(f"    and {len(problems) - _NAMED:,} more; `photovault status --json` names them")
