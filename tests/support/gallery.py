"""A gallery without a vault: synthetic photos that answer every question, and the real site on loopback in front of them.

    with serve(FakeAsks(500)) as url:
        ...  # http://127.0.0.1:<port>, every page, no token needed

Photo 1 is the oldest.  What a photo is like follows from its number alone, so a hundred thousand of them cost nothing.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import math
import socket
import threading
import time
from dataclasses import replace
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from random import Random
from typing import TYPE_CHECKING

import uvicorn
from PIL import Image, ImageDraw
from starlette.applications import Starlette
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Route

from photovault.errors import ConsentError, PhotovaultError, UndecodableError, UsageError
from photovault.gallery import site as sites
from photovault.gallery import values
from photovault.gallery.asks import NotReadyError, NotThereError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PAGE_SIZE = 60
_ASPECTS = ((4, 3), (4, 3), (4, 3), (3, 2), (3, 2), (3, 4), (3, 4), (16, 9), (9, 16), (1, 1), (3, 1), (2, 3))
_PLACES = (
    ("Rome, Italy", 41.9, 12.5), ("Lisbon, Portugal", 38.72, -9.14), ("Oslo, Norway", 59.91, 10.75),
    ("Kyoto, Japan", 35.01, 135.77), ("Cape Town, South Africa", -33.92, 18.42), ("Boston, United States", 42.36, -71.06),
    ("Hobart, Australia", -42.88, 147.33), ("Lima, Peru", -12.05, -77.04), ("", 0.0, 0.0), ("", 0.0, 0.0),
)  # fmt: skip
_CAMERAS = ("Pixel 8", "iPhone 13", "Canon EOS R6", "Fujifilm X-T4", "")
_ALBUMS = ("Holidays by the sea", "Ada's birthday", "Garden", "For grandmother", "Best of 2023")
CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


def digest_of(number: int) -> str:
    """SHA-256 (hex) of a synthetic photo."""
    return hashlib.sha256(f"photo {number}".encode()).hexdigest()


@lru_cache(maxsize=2048)
def picture(seed: int, width: int, height: int, kind: str = "WEBP") -> bytes:
    """A landscape that follows from its number: a sky, a sun, hills, the number."""
    random = Random(seed)
    hue, small = random.random(), (max(2, width), max(2, height))
    sky, ground = _colour(hue, 0.35, 0.92), _colour(hue + 0.08, 0.45, 0.62)
    column = Image.new("RGB", (1, 64))
    column.putdata([_between(sky, ground, row / 63) for row in range(64)])
    image = column.resize(small)
    draw = ImageDraw.Draw(image)
    radius = min(small) * random.uniform(0.05, 0.13)
    x, y = random.uniform(0.15, 0.85) * small[0], random.uniform(0.15, 0.45) * small[1]
    draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=_colour(hue + 0.5, 0.15, 1.0))
    for layer in range(3):
        colour = _colour(hue + 0.3 + layer * 0.05, 0.5, 0.5 - layer * 0.13)
        level, waves, phase = 0.55 + layer * 0.13, random.uniform(2, 6), random.uniform(0, 6)
        ridge = [
            (step * small[0] / 40, small[1] * (level + 0.07 * math.sin(step / 40 * waves + phase)))
            for step in range(41)
        ]
        draw.polygon([(0, small[1]), *ridge, (small[0], small[1])], fill=colour)
    draw.text((8, small[1] - 18), str(seed), fill=(255, 255, 255))
    out = io.BytesIO()
    image.save(out, kind, quality=70)
    return out.getvalue()


def _colour(hue: float, saturation: float, value: float) -> tuple[int, int, int]:
    import colorsys

    red, green, blue = colorsys.hsv_to_rgb(hue % 1, saturation, value)
    return int(red * 255), int(green * 255), int(blue * 255)


def _between(one: tuple[int, int, int], other: tuple[int, int, int], part: float) -> tuple[int, int, int]:
    mixed = [int(a + (b - a) * part) for a, b in zip(one, other, strict=True)]
    return mixed[0], mixed[1], mixed[2]


def _fit(width: int, height: int, most: int) -> tuple[int, int]:
    factor = most / max(width, height)
    return max(1, round(width * factor)), max(1, round(height * factor))


class FakePhotos:
    """``photos`` of them over the years before 2026-11, in four snapshots; ``preparing`` names a job that never ends."""

    def __init__(self, photos: int, *, preparing: str = "") -> None:
        self.count, self.preparing = photos, preparing
        self.alarms = ()
        self._months = _months(photos)
        sizes = [photos, photos * 95 // 100, photos * 95 // 100, photos // 2] if photos else []
        self._ends = dict(zip((f"{n:x}".ljust(4, "c").ljust(64, "0") for n in (13, 12, 11, 10)), sizes, strict=False))

    def signs(self):
        return self.alarms

    def moments(self):
        days = ("2026-11-20", "2026-11-02", "2026-09-14", "2024-01-03")
        return tuple(
            values.Moment(
                id=name, time=f"{days[n]}T21:04:00Z", device="desk" if n % 2 == 0 else "laptop", files=end + end // 7,
                size=end * 3_100_000, number=4 - n, tags=("after the trip",) if n == 1 else (), is_newest=n == 0,
            )
            for n, (name, end) in enumerate(self._ends.items())
        )  # fmt: skip

    def _moment(self, at: str) -> tuple[values.Moment, int]:
        if self.preparing:
            raise NotReadyError(self.preparing)
        for moment in self.moments():
            if moment.id.startswith(at):
                return moment, self._ends[moment.id]
        if not self.count and not at:
            empty = values.Moment(id="f" * 64, time="", device="desk", files=0, size=0, number=0, is_newest=True)
            return empty, 0
        raise NotThereError("there is no such snapshot", "see them all in the time machine")

    def spine(self, at: str):
        moment, end = self._moment(at)
        parts = []
        for month, first, last in self._months:
            for low in range(last, first - 1, -100):
                a, b = max(first, low - 99), min(low, end)
                if a <= b:
                    parts.append(values.Part(month=month, first=a, last=b, count=b - a + 1))
        return values.Spine(moment=moment, parts=tuple(parts), photos=end)

    def tiles(self, at: str, first: int, last: int):
        _, end = self._moment(at)
        return tuple(self._tile(number) for number in range(min(last, end), max(first, 1) - 1, -1))

    def tile(self, at: str, number: int):
        _, end = self._moment(at)
        if not 1 <= number <= end:
            raise NotThereError(f"there is no photo {number} in this snapshot", "go back to the timeline")
        return self._tile(number)

    @lru_cache(maxsize=5000)  # noqa: B019 - as long as the test
    def _tile(self, number: int):
        random = Random(number)
        wide, high = random.choice(_ASPECTS)
        month, first, last = next(one for one in self._months if one[1] <= number <= one[2])
        day = 1 + (number - first) * 27 // max(1, last - first)
        when = f"{month}-{day:02}T{7 + number % 13:02}:{number % 60:02}:00"
        badges = _badges(number)
        name = f"IMG_{number:05}.{'MOV' if 'video' in badges else 'JPG'}"
        place = _PLACES[number // 15 % len(_PLACES)][0]
        return values.Tile(
            number=number, when=when, label=", ".join(filter(None, (name, when[:10], place))), name=name,
            width=wide * 1000, height=high * 1000, badges=badges, thumbnail=number % 37 != 5,
            duration=float(number % 200 + 3) if "video" in badges else 0.0, rating=5 if number % 10 == 7 else 0,
            size=2_000_000 + number % 4_000_000,
        )  # fmt: skip

    def photo(self, at: str, number: int):
        moment, end = self._moment(at)
        tile = self.tile(at, number)
        place, latitude, longitude = _PLACES[number // 15 % len(_PLACES)]
        stem, size = tile.name.rpartition(".")[0], tile.size
        files = [values.File(name=tile.name, role="primary", kind="mov" if tile.duration else "jpeg", size=size,
                             playable=bool(tile.duration))]  # fmt: skip
        if "live" in tile.badges:
            files.append(values.File(name=f"{stem}.MOV", role="motion", kind="mov", size=3_412_000, playable=True))
        if "raw" in tile.badges:
            files.append(values.File(name=f"{stem}.CR3", role="raw", kind="cr3", size=24_800_000))
        if "edited" in tile.badges:
            files.append(values.File(name=f"{stem}.AAE", role="sidecar", kind="aae", size=812))
        facts = [
            values.Fact(label="Taken", value=tile.when.replace("T", " "), source="exif"),
            values.Fact(label="Camera", value=_CAMERAS[number % len(_CAMERAS)], source="exif"),
            values.Fact(label="Pixels", value=f"{tile.width} x {tile.height}", source="jpeg"),
            values.Fact(label="Title", value="A very long title " * (number % 3), source="xmp"),
        ]
        proven = "2026-10-30T03:00:00Z" if "unproven" not in tile.badges else ""
        return values.Photo(
            tile=tile, moment=moment, folder=f"Pictures/{tile.when[:4]}/{tile.when[5:7]}", digest=digest_of(number),
            files=tuple(files), facts=tuple(fact for fact in facts if fact.value),
            kept=(
                values.Kept(place="cellar disk", address="/mnt/cellar/vault", proven=proven),
                values.Kept(place="cloud", address="s3://bucket/vault", problem="" if number % 9 else "not reached"),
            ),
            albums=_ALBUMS[: number % 3], place=place, latitude=latitude if place else None,
            longitude=longitude if place else None, newer=number + 1 if number < end else 0, older=number - 1,
        )  # fmt: skip

    def versions(self, at: str, number: int):
        ids = [moment.id for moment in reversed(self.moments())]
        first = values.Version(moments=tuple(ids[:2]), since="2024-01-03T21:04:00Z", until="2026-09-14T21:04:00Z",
                               what="first", size=1_900_000, number=number, at=ids[1])  # fmt: skip
        last = values.Version(moments=tuple(ids[2:]), since="2026-11-02T21:04:00Z", until="2026-11-20T21:04:00Z",
                              what="metadata", size=1_900_321, number=number, at=ids[-1], is_shown=True)  # fmt: skip
        return replace(self.photo(at, number), versions=(first, last))

    def search(self, at: str, question: values.Question, after: str, limit: int):
        _, end = self._moment(at)
        if question.since and not question.since[:4].isdigit():
            raise UsageError(f"{question.since!r} is no date", "write it as 2021, 2021-05 or 2021-05-04")
        start = int(after) if after.isdigit() else end
        found = []
        for number in range(start, 0, -1):
            if self._fits(number, question):
                found.append(number)
            if len(found) > limit:
                break
        following = str(found[limit]) if len(found) > limit else ""
        return values.Answer(tiles=tuple(self._tile(number) for number in found[:limit]), following=following)

    def _fits(self, number: int, asked: values.Question) -> bool:
        tile = self._tile(number)
        place, latitude, longitude = _PLACES[number // 15 % len(_PLACES)]
        inside = True
        if asked.box:
            west, south, east, north = asked.box
            inside = bool(place) and west <= longitude <= east and south <= latitude <= north
        return all((
            asked.text.casefold() in tile.label.casefold(), tile.when >= asked.since,
            not asked.until or tile.when[: len(asked.until)] <= asked.until,
            asked.place.casefold() in place.casefold(), tile.rating >= asked.rating,
            asked.camera.casefold() in _CAMERAS[number % len(_CAMERAS)].casefold(),
            not asked.kind or asked.kind in tile.badges or (asked.kind == "photo" and "video" not in tile.badges),
            not asked.album or asked.album in _ALBUMS[: number % 3], not asked.broken or "broken" in tile.badges,
            not asked.unproven or "unproven" in tile.badges, inside,
        ))  # fmt: skip

    def albums(self, at: str):
        _, end = self._moment(at)
        return {name: max(1, end // (place + 3)) for place, name in enumerate(_ALBUMS)} if end else {}

    def spots(self, at: str, box: tuple[float, float, float, float], columns: int):
        _, end = self._moment(at)
        west, south, east, north = box
        each = max(1, end // len(_PLACES))
        wide = 360 if east - west >= 360 else (east - west) % 360  # a box may cross 180 degrees
        return tuple(
            values.Spot(
                latitude=latitude, longitude=longitude, count=each, number=min(end, place * 15 + 15),
                box=(longitude - 0.2, latitude - 0.2, longitude + 0.2, latitude + 0.2), name=name,
                thumbnail=min(end, place * 15 + 15) % 37 != 5,
            )
            for place, (name, latitude, longitude) in enumerate(_PLACES)
            if name and end and (longitude - west) % 360 <= wide and south <= latitude <= north
        )  # fmt: skip

    def located(self, at: str):
        _, end = self._moment(at)
        return end * 8 // 10

    def changes(self, at: str):
        moment, end = self._moment(at)
        all_moments = self.moments()
        place = all_moments.index(moment) if moment in all_moments else -1
        before = all_moments[place + 1] if 0 <= place < len(all_moments) - 1 else None
        since = self._ends[before.id] if before else 0
        came = tuple(self._tile(number) for number in range(end, max(since, end - 200), -1))
        changed = tuple(self._tile(number) for number in range(min(40, end), max(0, min(40, end) - 6), -1))
        went = tuple(replace(self._tile(number), number=0) for number in range(1, min(5, end) + 1)) if before else ()
        edited = changed[:2] if before else ()
        counts = {
            "added": end - since,
            "changed": len(changed),
            "metadata": len(edited),
            "details": 2,
            "moved": 1,
            "gone": len(went),
        }
        return values.Changes(
            moment=moment, before=before, came=came, changed=changed, edited=edited, went=went, counts=counts
        )


def _badges(number: int) -> tuple[str, ...]:
    every = ((9, "live"), (11, "raw"), (13, "video"), (17, "motion"), (19, "edited"), (23, "burst"), (41, "broken"),
             (29, "cloud"), (31, "away"), (7, "unproven"))  # fmt: skip
    found = tuple(name for step, name in every if number % step == 4)
    return tuple(name for name in found if not (name in ("live", "raw", "motion") and "video" in found))


def _months(photos: int) -> list[tuple[str, int, int]]:
    """Months from the newest, each with the numbers of its photos; more photos, more years."""
    years = max(2, min(22, photos // 60 + 2))
    random, months = Random(years), []
    names = [f"{year}-{month:02}" for year in range(2026, 2026 - years, -1) for month in range(12, 0, -1)][1:]
    names = [name for name in names if random.random() < 0.8 or name == "2026-11"]
    weights = [random.random() ** 2 + 0.1 for _ in names]
    last = photos
    for name, weight in zip(names, weights, strict=True):
        first = max(1, last - max(1, round(photos * weight / sum(weights))) + 1)
        if name == names[-1]:
            first = 1
        if last >= 1:
            months.append((name, first, last))
        last = first - 1
    return months


class FakeMember:
    """A file of a set."""

    def __init__(self, name: str, kind: str, data: bytes) -> None:
        self.name, self.kind, self.size, self._data = name, kind, len(data), data

    def read(self, start: int, end: int):
        for place in range(start, min(end, self.size), 65536):
            yield self._data[place : min(place + 65536, end)]


class FakePictures:
    """Pictures of the synthetic photos; number 37n + 5 has no thumbnail, 41n + 4 does not decode."""

    def __init__(self, photos: FakePhotos) -> None:
        self._photos = photos

    def thumbnail(self, number: int):
        tile = self._photos.tile("", number)
        return picture(number, *_fit(tile.width, tile.height, 512)) if tile.thumbnail else None

    def preview(self, number: int):
        tile = self._photos.tile("", number)
        if "broken" in tile.badges:
            raise UndecodableError(
                f"{tile.name} does not decode on this computer", "download the file, and open it elsewhere"
            )
        return picture(number, *_fit(tile.width, tile.height, 1600))

    def member(self, number: int, index: int):
        files = self._photos.photo("", number).files
        if not 0 <= index < len(files):
            raise NotThereError("this photo has no such file", "go back to the photo")
        file = files[index]
        data = picture(number, 800, 600, "JPEG") if file.kind == "jpeg" else Random(number).randbytes(300_000)
        return FakeMember(file.name, file.kind, data)


class FakeJobs:
    """Jobs that come a quarter further each time somebody looks; a job named ``steady`` stays where it is."""

    def __init__(self) -> None:
        self._jobs: dict[str, values.Job] = {}

    def put(self, job: values.Job) -> str:
        self._jobs[job.id] = job
        return job.id

    def begin(self, kind: str, title: str, *, lines: tuple[str, ...] = ("all of it was restored",)) -> str:
        return self.put(values.Job(id=f"{kind}-{len(self._jobs) + 1}", kind=kind, title=title, state="running", files_total=40,
                                   size_total=123_000_000, lines=lines))  # fmt: skip

    def job(self, job_id: str):
        job = self._jobs.get(job_id)
        if job is None:
            raise NotThereError("there is no such work", "it may be over since long")
        if job.state == "running" and job.id != "steady":
            files = min(40, job.files + 10)
            job = replace(
                job, files=files, size=job.size_total * files // 40, state="done" if files == 40 else "running"
            )
            self._jobs[job_id] = job
        return job if job.is_over else replace(job, lines=())

    def jobs(self):
        return tuple(reversed(self._jobs.values()))

    def cancel(self, job_id: str):
        job = self.job(job_id)
        if not job.is_over:
            self._jobs[job_id] = replace(job, state="cancelled")


class FakeRestores:
    """A basket in memory; a restore copies nothing."""

    apart = False

    def __init__(self, photos: FakePhotos, jobs: FakeJobs) -> None:
        self._photos, self._jobs, self._in, self._whole = photos, jobs, {}, {}

    def basket(self):
        tiles = tuple((at, tile) for (at, _), tile in self._in.items())
        return values.Basket(
            count=len(tiles), size=sum(tile.size for _, tile in tiles), tiles=tiles[:300],
            moments=tuple(dict.fromkeys(at for at, _ in tiles)), whole=tuple(self._whole.values()), apart=self.apart,
        )  # fmt: skip

    def count(self):
        return len(self._in) + sum(one.files for one in self._whole.values())

    def holds(self, number: int):
        return any(number == one for _, one in self._in)

    def add(self, at: str, numbers: Sequence[int]):
        moment = self._photos.spine(at).moment.id
        for number in numbers:
            self._in[moment, number] = self._photos.tile(at, number)

    def remove(self, numbers: Sequence[int]):
        self._in = {key: tile for key, tile in self._in.items() if key[1] not in numbers}

    def empty(self):
        self._in.clear()
        self._whole.clear()

    def add_all(self, at: str):
        moment = self._photos.spine(at).moment
        self._whole[moment.id] = moment

    def remove_all(self, at: str):
        self._whole.pop(self._photos.spine(at).moment.id, None)

    def rooms(self):
        return (
            values.Room(path="~/Restored", free=123_400_000_000),
            values.Room(path="/media/ada/Stick/Restored", free=9_800_000_000),
        )

    def start(self, to: str, overwrite: str, *, dry_run: bool):
        if not to.startswith(("/", "~/")):
            raise UsageError(f"{to!r} is no absolute path", "write it from the root, as in /home/ada/Restored")
        lines = (
            tuple(f"would write {to}/{tile.name}" for _, tile in self._in.values()) if dry_run else (f"all is in {to}",)
        )
        kind = "dry-run" if dry_run else "restore"
        return self._jobs.begin(kind, f"Restore {len(self._in)} photos into {to}", lines=lines)


class FakeHealths:
    """``word`` of the state: "protected", "overdue" or "not protected"."""

    def __init__(self, jobs: FakeJobs, photos: int, word: str = "protected") -> None:
        self._jobs, self._photos, self.word, self.warm = jobs, photos, word, True

    def known(self):
        return self.health() if self.warm else None

    def health(self, *, fresh: bool = False):
        good, count = self.word == "protected", self._photos
        days = {
            f"2026-{month:02}-{day:02}": (month * day * 7) % 90 for month in range(1, 12) for day in range(1, 29, 3)
        }
        return values.Health(
            protected=good, word=self.word, since="2026-11-20T21:04:00Z" if good else "2026-10-01T21:04:00Z",
            age=7200.0 if good else 4_600_000.0, overdue_after=7 * 86400.0, files=count, size=count * 3_100_000,
            pending=0 if good else 214, snapshots=4, fingerprint="7f3a-91c2-0b4d-e85e",
            destinations=(
                values.Destination(
                    name="main", address="/mnt/cellar/vault", state=self.word, proven=count * 3 // 4, files=count,
                    said="newest snapshot 81ab33f0 of 2026-11-20T21:04 UTC, up to date", drilled="2026-11-01T03:00:00Z",
                    proof="proven 75 % within 12 months, oldest proof 2026-01-04",
                ),
                values.Destination(
                    name="cloud", address="s3://bucket/vault", state="up to date" if good else "behind", files=count,
                    proven=count // 10, proof="proven 10 % within 12 months, oldest proof 2026-06-04",
                    said="newest snapshot 81ab33f0 of 2026-11-20T21:04 UTC, " + ("up to date" if good else
                         "3 snapshots behind; run `photovault copy --to cloud`"),
                    damaged=() if good else ("Pictures/2021/IMG_0001.jpg: the pack that holds it is damaged",),
                    rotten=() if good else ("Pictures/2019/IMG_0931.jpg: differs, and nobody wrote to it",),
                ),
            ),
            signs=() if good else (("1 pack in the vault found damaged, and not mended yet", "run `photovault check --repair`"),),
            notes=(("the computer laptop made no backup since 2026-08-01", "see whether it still should"),), days=days,
            problems=() if good else (("/home/ada/Pictures/locked.jpg: not allowed to read it", "give yourself the right to"),),
            guards=(("Changed", "stops a backup when more than 30 % of the files were changed, 20 at least"),
                    ("Last backup", "was stopped by none of them" if good else "was stopped: 412 of 500 files are gone")),
            keys=(
                values.KeyShown(id="ab12", kind="device", label="desk", created="2024-01-03T10:00:00Z", tested="", used=True),
                values.KeyShown(id="cd34", kind="password", label="password", created="2024-01-03T10:00:00Z", used=False,
                                tested="2026-08-01T10:00:00Z"),
                values.KeyShown(id="ef56", kind="words", label="recovery words", created="2024-01-03T10:00:00Z", tested="",
                                used=False, due=True),
            ), watching="The daemon watches your folders, and backs up what changes.",
        )  # fmt: skip

    def drill(self, count: int):
        return self._jobs.begin(
            "drill", f"Restore {count} photos and compare them", lines=(f"{count} photos are whole",)
        )


class FakePrivacies:
    """A ledger of two weeks."""

    def __init__(self, people: FakePeople) -> None:
        self._people = people

    def privacy(self):
        kinds = (("pack", 14, 16 << 20), ("index", 1, 1 << 16), ("snapshot", 1, 1 << 14))
        left = tuple(
            values.Left(day=f"2026-11-{day:02}", kind=kind, destination=place, objects=count * (day % 4 + 1),
                        size=size * count * (day % 4 + 1), failed=int(day == 11 and place == "cloud"))
            for day in range(20, 6, -1) for place in ("cellar disk", "cloud") for kind, count, size in kinds
        )  # fmt: skip
        on = self._people.enabled()
        return values.Privacy(
            consent="granted" if on else "never", scope=("/home/ada/Pictures",) if on else (), left=left,
            since="2026-03-01" if on else "", until="2027-03-01" if on else "", receipt="agreed on 2026-03-01\n" if on else "",
            kinds={"pack": (3212, 53_000_000_000), "index": (340, 22_000_000), "snapshot": (311, 9_000_000)},
        )  # fmt: skip

    def erase(self):
        self._people.on = False
        return "the consent was taken back, and all face data erased"


class FakePeople:
    """Twelve groups of faces; decisions are remembered and can be taken back."""

    def __init__(self, photos: FakePhotos, *, on: bool) -> None:
        self._photos, self.on, self._done = photos, on, []
        names = ("Ada", "Grace", "Alan", "Barbara", "", "", "", "", "", "", "", "")
        self._groups = {
            place + 1: values.Somebody(
                id=place + 1, name=name, count=(13 - place) * 7, photos=(13 - place) * 6, first="2014-05-01", last="2026-10-30",
                faces=tuple(
                    values.Face(id=place * 100 + n + 1, confirmed=n % 3 == 0, taken=f"20{14 + n % 12}-05-04", photo=n + 1)
                    for n in range((13 - place) * 2)
                ),
            )
            for place, name in enumerate(names)
        }  # fmt: skip

    def enabled(self):
        return self.on

    def _agreed(self) -> None:
        if not self.on:
            raise ConsentError("nobody agreed to that", "see photovault people enable")

    def _somebody(self, number: int):
        self._agreed()
        if number not in self._groups:
            raise NotThereError("there is nobody of that number", "see everybody")
        return self._groups[number]

    def people(self, *, everybody: bool = False, hidden: bool = False):
        self._agreed()
        found = [one for one in self._groups.values() if one.hidden == hidden and (everybody or one.count > 10)]
        return tuple(replace(one, faces=one.faces[:1]) for one in sorted(found, key=lambda x: (not x.name, -x.count)))

    def person(self, number: int):
        return self._somebody(number)

    def crop(self, face: int):
        self._agreed()
        return picture(face, 200, 200) if face % 10 else None

    def of_photo(self, digest: str):
        self._agreed()
        count = int(digest[:2], 16) % 3
        return tuple(replace(one, faces=one.faces[:1]) for one in list(self._groups.values())[:count])

    def doubts(self, limit: int):
        self._agreed()
        groups = list(self._groups.values())
        return tuple(
            values.Doubt(id=f"d{n}", left=groups[n].faces[0], right=groups[n + 1].faces[1], left_group=groups[n],
                         right_group=groups[n + 1] if n % 2 else None, likely=0.5 + n / 40)
            for n in range(min(limit, len(groups) - 1))
        )  # fmt: skip

    def _did(self, text: str):
        self._agreed()
        done = values.Done(id=len(self._done) + 1, time=f"2026-11-20T10:{len(self._done) % 60:02}:00Z", text=text)
        self._done.append(done)
        return done

    def answer(self, doubt: str, answer: str):
        return self._did(f"answered {answer!r} to {doubt}")

    def name(self, number: int, name: str):
        self._groups[number] = replace(self._somebody(number), name=name)
        return self._did(f"named p{number} {name!r}")

    def merge(self, one: int, other: int, keep: str):
        first, second = self._somebody(one), self._somebody(other)
        self._groups[one] = replace(first, name=keep or first.name or second.name, count=first.count + second.count,
                                    faces=first.faces + second.faces)  # fmt: skip
        del self._groups[other]
        return self._did(f"made p{one} and p{other} one")

    def split(self, number: int, faces: Sequence[int]):
        somebody = self._somebody(number)
        self._groups[number] = replace(somebody, faces=tuple(face for face in somebody.faces if face.id not in faces))
        return self._did(f"took {len(faces)} out of p{number}")

    def hide(self, number: int, *, hidden: bool):
        self._groups[number] = replace(self._somebody(number), hidden=hidden)
        return self._did(f"{'hid' if hidden else 'listed'} p{number}")

    def history(self):
        self._agreed()
        return tuple(reversed(self._done))

    def undo(self, entry: int):
        if not 1 <= entry <= len(self._done):
            raise NotThereError("there is no such decision", "see what was decided")
        self._done[entry - 1] = replace(self._done[entry - 1], undone=True)
        return self._done[entry - 1]


class FakeAsks:
    """Everybody whom pages ask, about ``photos`` synthetic photos."""

    def __init__(
        self, photos: int = 500, *, people: bool = False, preparing: str = "", word: str = "protected"
    ) -> None:
        self.photos = FakePhotos(photos, preparing=preparing)
        self.pictures = FakePictures(self.photos)
        self.jobs = FakeJobs()
        self.jobs.put(values.Job(id="steady", kind="listings", title="Read the listings of snapshot 4", state="running",
                                 files=1200, files_total=4000))  # fmt: skip
        self.restores = FakeRestores(self.photos, self.jobs)
        self.health = FakeHealths(self.jobs, photos, word)
        self.people = FakePeople(self.photos, on=people)
        self.privacy = FakePrivacies(self.people)
        self.closed = False

    def close(self):
        self.closed = True


class NoTokenError(PhotovaultError):
    """A change without the token."""

    status = 401


class OpenDoor:
    """A door that lets everybody in; changes must carry ``token`` all the same."""

    def __init__(self, asks: FakeAsks) -> None:
        self.asks = asks

    def csrf(self, request) -> str:
        return "token"

    def check_csrf(self, request, form) -> None:
        if "token" not in (form.one("csrf"), request.headers.get("x-csrf-token")):
            raise NoTokenError("this page is too old", "load it again")


def application(asks: FakeAsks) -> Starlette:
    """The real site; where a page was not written yet, only those that were."""
    site = sites.Site(OpenDoor(asks))
    routes = []
    for name in sites.PAGES:
        if find_spec(f"photovault.gallery.pages.{name}") is not None:
            routes += import_module(f"photovault.gallery.pages.{name}").routes(site)
    return Starlette(routes=[*routes, *_fallbacks(site, asks)], exception_handlers={404: _nothing})


def _fallbacks(site: sites.Site, asks: FakeAsks) -> list[Route]:
    async def static(request):
        path = site.static / request.path_params["name"]
        return FileResponse(path) if path.is_file() else PlainTextResponse("no such file", 404)

    def image(of):
        def answer(request) -> Response:
            try:
                data = of(int(request.path_params["number"]))
            except PhotovaultError:
                data = None
            return Response(data, media_type="image/webp") if data else Response(status_code=404)

        return answer

    return [
        Route("/static/{name}", static),
        Route("/awake", lambda request: Response(status_code=204)),
        Route("/thumb/{number}", image(asks.pictures.thumbnail)),
        Route("/preview/{number}", image(asks.pictures.preview)),
    ]


async def _nothing(request, error) -> Response:
    return PlainTextResponse("nothing here", 404)


class _Headers:
    """The headers of ``security`` that change what a page may do."""

    def __init__(self, app) -> None:
        self._app = app

    async def __call__(self, scope, receive, send) -> None:
        async def sent(message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [
                    *message["headers"],
                    (b"content-security-policy", CSP.encode()),
                    (b"referrer-policy", b"no-referrer"),
                    (b"x-content-type-options", b"nosniff"),
                ]
            await send(message)

        await self._app(scope, receive, sent)


@contextlib.contextmanager
def serve(asks: FakeAsks, *, port: int = 0) -> Iterator[str]:
    """The site on loopback, until the block ends; gives its address without a slash at the end."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # else answers wait 40 ms
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(128)
    config = uvicorn.Config(_Headers(application(asks)), log_level="error", lifespan="off", ws="none", access_log=False)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        while not server.started and thread.is_alive():
            time.sleep(0.01)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)
        listener.close()


if __name__ == "__main__":
    import sys

    with serve(FakeAsks(int(sys.argv[1]) if len(sys.argv) > 1 else 500, people="people" in sys.argv)) as address:
        print(address, flush=True)
        threading.Event().wait()
