"""From rows of the search catalog to tiles of a page, and to facts in words.  Pure.

Names, titles and keywords come from files, so they are made safe to print here; templates make them safe for HTML.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from photovault.gallery.values import Fact, File, Tile
from photovault.gallery.words import amount, lasts, when
from photovault.library.tokens import kinds_of
from photovault.photos.choose import camera_of
from photovault.photos.goodness import why_bad
from photovault.photos.sets import SetKind, Sort, format_of
from photovault.vault.format import shown

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from photovault.facts import Facts
    from photovault.library import Row

_DEGREE: Final = 10_000_000
_TURNED: Final = 5  # from this orientation on, width and height change places
_SETS: Final = {
    "live": SetKind.LIVE,
    "motion": SetKind.MOTION,
    "burst": SetKind.BURST,
    "raw": Sort.RAW,
    "edited": SetKind.EDITED,
    "video": Sort.VIDEO,
}
_PLAYABLE: Final = frozenset(("mp4", "mov"))


def tile_of(row: Row, more: Collection[str] = ()) -> Tile:
    """A row as a tile; ``more``: badges that the row itself does not know of."""
    width, height = upright(row.facts)
    name = shown(row.members[0].name)
    return Tile(
        number=row.number,
        when=row.when,
        label=_label(row, name),
        name=name,
        width=width,
        height=height,
        badges=(*_badges(row), *more),
        thumbnail=bool(row.facts.thumbnail),
        duration=(row.facts.duration or 0) / 1000,
        rating=row.facts.rating or 0,
        size=sum(one.size for one in row.members),
    )


def named(when: str, name: str) -> Tile:
    """A tile of what the catalog does not know, or not yet: a name, and no number."""
    return Tile(number=0, when=when, label=name, name=name)


def is_pictured(row: Row) -> bool:
    """Whether it is a photo or a video, and no lonely sidecar or other file."""
    return not kinds_of(row).isdisjoint((str(Sort.PHOTO), str(Sort.VIDEO)))


def upright(facts: Facts) -> tuple[int, int]:
    """Width and height as it is seen, 0 where they are not known."""
    width, height = facts.width or 0, facts.height or 0
    return (height, width) if (facts.orientation or 1) >= _TURNED else (width, height)


def _badges(row: Row) -> Iterator[str]:
    kinds = kinds_of(row)
    yield from (badge for badge, kind in _SETS.items() if str(kind) in kinds)
    if why_bad(row.facts):
        yield "broken"


def _label(row: Row, name: str) -> str:
    """What is said of it to those who do not see it."""
    parts = [name, when(row.when), row.place]
    if is_video(row):
        parts.append(f"video of {lasts((row.facts.duration or 0) / 1000)}" if row.facts.duration else "video")
    return ", ".join(filter(None, parts))


def is_video(row: Row) -> bool:
    """Whether what stands for the set is a video."""
    return str(Sort.VIDEO) in kinds_of(row)


def files_of(row: Row) -> tuple[File, ...]:
    """The files of a set, the primary first."""
    return tuple(
        File(
            name=shown(one.name),
            role=one.role,
            kind=format_of(one.name, row.facts) if not at else one.kind,
            size=one.size,
            playable=one.kind in _PLAYABLE,
        )
        for at, one in enumerate(row.members)
    )


def position(facts: Facts) -> tuple[float, float] | tuple[None, None]:
    """Latitude and longitude in degrees."""
    if facts.latitude is None or facts.longitude is None:
        return None, None
    return facts.latitude / _DEGREE, facts.longitude / _DEGREE


# Facts in words --------------------------------------------------------------------------------------------------------


def facts_of(row: Row) -> tuple[Fact, ...]:
    """All that is known of a photo, the most asked for first."""
    made = (*_when(row), *_picture(row), *_where(row), *_written(row.facts), *_file(row))
    return tuple(fact for fact in made if fact.value)


def _when(row: Row) -> Iterator[Fact]:
    facts = row.facts
    if facts.taken is None:
        yield Fact(label="Modified", value=f"{when(row.when)} UTC", source="file")
        return
    sure = f" ({facts.taken_confidence} confidence)" if facts.taken_confidence else ""
    source = {"name": "file name"}.get(facts.taken_source or "", facts.taken_source or "")
    yield Fact(label="Taken", value=f"{when(facts.taken)}{_offset(facts.taken)}{sure}", source=source)


def _offset(taken: str) -> str:
    """The time zone, where it is known: `` +02:00``."""
    at = max(taken.rfind("+"), taken.rfind("-", 19))
    return f" {taken[at:]}" if at > 0 else " UTC" if taken.endswith("Z") else ""


def _picture(row: Row) -> Iterator[Fact]:
    facts = row.facts
    if why_bad(facts):
        yield Fact(label="In doubt" if facts.suspect else "Broken", value=_clean(why_bad(facts)))
    yield Fact(label="Camera", value=_clean(camera_of(facts)))
    yield Fact(label="Lens", value=_clean(facts.lens or ""))
    width, height = upright(facts)
    if width and height:
        yield Fact(label="Size", value=f"{width} \N{MULTIPLICATION SIGN} {height} pixels, {_mega(width * height)}")
    if facts.duration:
        yield Fact(label="Duration", value=lasts(facts.duration / 1000))
    if facts.gain_map:
        yield Fact(label="Dynamic range", value="high (Ultra HDR)")


def _mega(pixels: int) -> str:
    return f"{pixels / 1e6:.1f} megapixels" if pixels >= 100_000 else f"{pixels / 1e6:.3f} megapixels"  # noqa: PLR2004 - 0.1


def _where(row: Row) -> Iterator[Fact]:
    """Without the place, which a page links to the map."""
    if row.facts.altitude is not None:
        yield Fact(label="Altitude", value=f"{row.facts.altitude / 1000:.0f} m")


def _written(facts: Facts) -> Iterator[Fact]:
    if facts.rating:
        stars = "rejected" if facts.rating < 0 else f"{facts.rating} of 5 stars"
        yield Fact(label="Rating", value=stars)
    yield Fact(label="Title", value=_clean(facts.title or ""))
    yield Fact(label="Description", value=_clean(facts.description or ""))
    yield Fact(label="Keywords", value=_clean(", ".join(facts.keywords)))


def _file(row: Row) -> Iterator[Fact]:
    primary = row.members[0]
    yield Fact(label="Format", value=format_of(primary.name, row.facts), source="file")
    size = f"{amount(primary.size)}"
    if len(row.members) > 1:
        size += f"; {amount(sum(one.size for one in row.members))} with all files of its set"
    yield Fact(label="File size", value=size, source="file")
    yield Fact(label="SHA-256", value=primary.digest.hex(), source="file")


def _clean(text: str) -> str:
    """A text of somebody's program without what steers a terminal or turns writing around."""
    return "".join(c if c.isprintable() else " " for c in text).strip()
