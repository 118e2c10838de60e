"""What pages show: frozen values between those who know and those who draw.  Pure.

A photo goes by its number in the search catalog, never by its path.  Texts that come from files (names, folders, titles) are safe
to print (``vault.format.shown``) and still hostile to HTML, so templates escape them.  Times are ISO 8601.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal

BADGES: Final = {
    "live": "Live Photo",
    "raw": "RAW",
    "video": "Video",
    "motion": "Motion Photo",
    "burst": "Burst",
    "edited": "Edited",
    "broken": "Broken: it does not decode, or its bytes are in doubt",
    "cloud": "Only in a cloud on this computer; whole in the vault",
    "away": "Not on this computer any more; in the vault",
    "unproven": "Not proven yet: no drill has restored it",
}
"""What a tile may be marked with, and what that means."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """A snapshot.

    Attributes:
        id: 64 hex digits; pages take any unique prefix of at least four.
        time: when it was made, UTC.
        device: the name of the computer that made it.
        tags: what it was made with.
        is_newest: nothing newer is in the vault.
    """

    id: str
    time: str
    device: str
    files: int
    size: int
    number: int
    tags: tuple[str, ...] = ()
    is_newest: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """A photo in a grid.

    Attributes:
        number: of its row in the search catalog; 0 where it has none (what went, in a time machine).
        when: date taken, else modified.
        label: for those who do not see it: name, date, place.
        name: of the file that is shown.
        width, height: upright, in pixels; 0 where not known.
        badges: keys of ``BADGES``.
        thumbnail: whether the vault has one.
        duration: seconds of a video, else 0.
        rating: stars, -1 for rejected, 0 for none.
        size: bytes of all its files.
    """

    number: int
    when: str
    label: str
    name: str
    width: int = 0
    height: int = 0
    badges: tuple[str, ...] = ()
    thumbnail: bool = False
    duration: float = 0.0
    rating: int = 0
    size: int = 0

    @property
    def aspect(self) -> float:
        """Width by height, within what a grid can show: 0.4 to 3.2; 1.0 where it is not known."""
        return min(3.2, max(0.4, self.width / self.height)) if self.width and self.height else 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A piece of the timeline that is fetched at once: some photos of one month.

    Attributes:
        month: ``2021-05``.
        first, last: numbers of rows, inclusive; they are in the order of time.
        count: photos in it, at most a few hundred.
    """

    month: str
    first: int
    last: int
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Spine:
    """A whole timeline without its photos; the newest part first.

    Attributes:
        note: what of it could not be read; empty if nothing.
        bare: photos that could have a thumbnail, and have none yet.
    """

    moment: Moment
    parts: tuple[Part, ...]
    photos: int
    note: str = ""
    bare: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What somebody looks for, as it was typed; empty fields ask nothing.

    Attributes:
        text: words.
        since, until: dates as far as they are written.
        place: a town, a country, or ``41.9,12.5,20km``.
        kind: one of ``photos.choose.KINDS``.
        rating: least stars.
        album: its name.
        duplicates: "exact" or "near".
        person: ``p7`` or a name; only where faces are grouped.
        broken: only what is broken.
        unproven: only what no drill has restored yet.
        box: west, south, east, north in degrees; from the map.
    """

    text: str = ""
    since: str = ""
    until: str = ""
    place: str = ""
    camera: str = ""
    kind: str = ""
    rating: int = 0
    album: str = ""
    duplicates: Literal["", "exact", "near"] = ""
    person: str = ""
    broken: bool = False
    unproven: bool = False
    box: tuple[float, float, float, float] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A page of what was found; ``following``: where to go on, empty at the end."""

    tiles: tuple[Tile, ...]
    following: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """Something known of a photo, and where that is from: exif, xmp, takeout, the file's name ..."""

    label: str
    value: str
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A file of a photo's set.  ``playable``: a browser can play it as the video that it is."""

    name: str
    role: str
    kind: str
    size: int
    playable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """What a photo was like from one snapshot on.

    Attributes:
        moments: ids of the snapshots in which it is the same, the oldest first.
        since, until: times of the first and last of them.
        what: picture, metadata or first: what is another than in the version before; gone: it is not there.
        size: bytes of its primary file.
        number: of its row, 0 where it is in no snapshot that the search catalog knows.
        at: id of the snapshot that ``number`` is of, the newest one where it is 0; empty where the photo is gone.
        is_shown: the one that the page shows.
    """

    moments: tuple[str, ...]
    since: str
    until: str
    what: str
    size: int
    number: int = 0
    at: str = ""
    is_shown: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """Where a photo is kept.

    Attributes:
        place: a destination's name.
        address: without secrets.
        proven: when it was last restored from there, ISO 8601; empty for never.
        problem: what a drill found wrong there, or why nothing is known.
    """

    place: str
    address: str
    proven: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Photo:
    """All that is told of one photo.

    Attributes:
        folder: path of its folder in the snapshot, to be read, never to be asked with.
        newer, older: numbers of its neighbours in the timeline, 0 at an end.
        place: the town nearby.
        latitude, longitude: degrees.
        digest: SHA-256 of the primary file, hex.
        note: what of the versions is not known; empty if nothing.
    """

    tile: Tile
    moment: Moment
    folder: str
    digest: str
    files: tuple[File, ...]
    facts: tuple[Fact, ...]
    versions: tuple[Version, ...] = ()
    kept: tuple[Kept, ...] = ()
    albums: tuple[str, ...] = ()
    place: str = ""
    latitude: float | None = None
    longitude: float | None = None
    newer: int = 0
    older: int = 0
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spot:
    """Photos near each other on the map: their middle in degrees, the box they lie in, one of them to show, if it has a thumbnail."""

    latitude: float
    longitude: float
    count: int
    number: int
    box: tuple[float, float, float, float]
    name: str = ""
    thumbnail: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What is another in a snapshot than in the one before of the same device.

    Attributes:
        before: None for the first one.
        came, changed, edited, went: the first few hundred of each; of ``went`` tiles are of the snapshot before.  Of ``changed``
            photos the picture is another one, of ``edited`` ones only what is written about it.
        counts: of all, by ``added``, ``changed``, ``metadata`` (edited), ``details`` (times or rights of the file), ``moved``, ``gone``.
    """

    moment: Moment
    before: Moment | None
    came: tuple[Tile, ...] = ()
    changed: tuple[Tile, ...] = ()
    edited: tuple[Tile, ...] = ()
    went: tuple[Tile, ...] = ()
    counts: dict[str, int] = field(default_factory=dict)


JobState = Literal["waiting", "running", "done", "partly", "failed", "cancelled"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Long work, as it stands.

    Attributes:
        id: a random text.
        kind: restore, dry-run, drill, listings, erase.
        title: what it does, for people.
        files, files_total, size, size_total: how far it is; totals 0 while not known.
        lines: what came of it, for people.
        rate: bytes a second, of late; 0 while not known.
        problems: what went wrong, each with what to do.
        rows: of a dry run, every file and what would become of it.
        error, hint: why it failed.
    """

    id: str
    kind: str
    title: str
    state: JobState
    files: int = 0
    files_total: int = 0
    size: int = 0
    size_total: int = 0
    rate: int = 0
    lines: tuple[str, ...] = ()
    problems: tuple[tuple[str, str], ...] = ()
    rows: tuple[tuple[str, str], ...] = ()
    error: str = ""
    hint: str = ""

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen."""
        return self.state not in {"waiting", "running"}

    @property
    def percent(self) -> int:
        """How far, 0 to 100, by bytes where they are known."""
        done, total = (self.size, self.size_total) if self.size_total else (self.files, self.files_total)
        return min(100, 100 * done // total) if total else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Basket:
    """What is to be restored.

    Attributes:
        count, size: photos and bytes, without those of whole snapshots.
        tiles: the first few hundred, each with the id of the snapshot that it is taken from.
        moments: ids of all these snapshots.
        whole: snapshots of which everything is to be restored.
        apart: two snapshots have something else at one path, so each gets a folder of its own.
    """

    count: int = 0
    size: int = 0
    tiles: tuple[tuple[str, Tile], ...] = ()
    moments: tuple[str, ...] = ()
    whole: tuple[Moment, ...] = ()
    apart: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to restore."""
        return not (self.count or self.whole)


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """A folder to restore into; ``free``: bytes that may be written there, None where nobody knows."""

    path: str
    free: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """A storage of the vault.

    Attributes:
        state: one word, as ``status`` says it.
        said: in words: newest snapshot, how far behind, what is amiss.
        proof: how much is proven, in words.
        proven, files: how many of how many files were restored from there within a year.
        damaged, rotten: what drills found, as lines for people.
        drilled: when, ISO 8601.
    """

    name: str
    address: str
    state: str
    said: str
    proof: str = ""
    proven: int = 0
    files: int = 0
    drilled: str = ""
    damaged: tuple[str, ...] = ()
    rotten: tuple[str, ...] = ()

    @property
    def percent(self) -> int:
        """How much is proven, rounded down."""
        return min(100, 100 * self.proven // self.files) if self.files else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyShown:
    """A way into the vault; ``tested``: when somebody last proved it, empty for never; ``due``: it is time to do so."""

    id: str
    kind: str
    label: str
    created: str
    tested: str
    used: bool
    due: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """Whether the photos are safe.

    Attributes:
        protected: what ``status`` calls protected.
        word: one word: protected, overdue, in doubt, not protected ...
        since: when everything was last known to be in the vault, ISO 8601; empty for never.
        overdue_after: seconds after which a backup is overdue.
        age: seconds since ``since``; None for never.
        pending: files that wait for the next backup; None where nobody looked.
        signs, notes, problems: what is amiss, each with what to do.
        days: by day (``2026-11-23``), how many files were proven last on it, over all destinations.
        guards: what a guard is set to, in words, and whether it stopped the last backup.
    """

    protected: bool
    word: str
    since: str
    age: float | None
    overdue_after: float
    files: int
    size: int
    pending: int | None
    snapshots: int
    fingerprint: str
    destinations: tuple[Destination, ...]
    signs: tuple[tuple[str, str], ...] = ()
    notes: tuple[tuple[str, str], ...] = ()
    problems: tuple[tuple[str, str], ...] = ()
    days: dict[str, int] = field(default_factory=dict)
    guards: tuple[tuple[str, str], ...] = ()
    keys: tuple[KeyShown, ...] = ()
    watching: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """What left this computer on a day, of one kind, to one destination."""

    day: str
    kind: str
    destination: str
    objects: int
    size: int
    failed: int = 0
    removed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Privacy:
    """What was agreed to, and what left.

    Attributes:
        consent: never, granted, lapsed or withdrawn.
        scope: folders agreed to.
        since, until: of the consent; ISO 8601 dates.
        days_left: until it ends; None while none holds.
        why: why it is not in force.
        receipt: the newest receipt as text; empty without one.
        left: what left, by day (the newest first), kind and destination; the newest thousand rows.
        kinds: objects and bytes by kind, over all days.
        faces: objects with face data that left: those of kinds that no gate lets out.
        broken: what is wrong with the ledger's chain.
    """

    consent: Literal["never", "granted", "lapsed", "withdrawn"]
    scope: tuple[str, ...] = ()
    since: str = ""
    until: str = ""
    days_left: int | None = None
    why: str = ""
    receipt: str = ""
    left: tuple[Left, ...] = ()
    kinds: dict[str, tuple[int, int]] = field(default_factory=dict)
    faces: int = 0
    broken: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Face:
    """A face to look at, by its number.  ``photo``: number of its photo's row, 0 where the newest snapshot has none."""

    id: int
    confirmed: bool = False
    taken: str = ""
    photo: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Somebody:
    """A group of faces; ``name``: empty while nobody gave one; ``faces``: the best first."""

    id: int
    name: str
    count: int
    photos: int
    hidden: bool = False
    first: str = ""
    last: str = ""
    faces: tuple[Face, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """Whether two faces are one person's; each with the group it is in (None for none)."""

    id: str
    left: Face
    right: Face
    left_group: Somebody | None
    right_group: Somebody | None
    likely: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """A decision about people that can be taken back."""

    id: int
    time: str
    text: str
    undone: bool = False
