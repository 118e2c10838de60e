"""The last version of a photo that still decodes is held, whatever came after it."""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from photovault.errors import DamageError
from photovault.facts import Facts
from photovault.forget.lastgood import holds
from photovault.model import Counts, Entry, EntryKind, Snapshot, Source
from photovault.vault import format as fmt
from photovault.vault.reader import Reader
from photovault.vault.writer import Writer
from photovault.workers import Workers
from tests.support.world import make_vault

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from photovault.vault.vault import NamedSnapshot, Vault

GOOD = Facts(kind="jpeg")
BROKEN = Facts(kind="jpeg", broken="it ends early")
ENCRYPTED = Facts(broken="its first bytes are those of no picture or video")
SUSPECT = Facts(kind="jpeg", suspect="other bytes under the same time")
VERSIONS = {"g": GOOD, "b": BROKEN, "e": ENCRYPTED, "s": SUSPECT}


class History:
    """Snapshots of one device, each a folder tree given as path to what each file is."""

    def __init__(self, vault: Vault, workers: Workers) -> None:
        self.vault = vault
        self.found: list[NamedSnapshot] = []
        self._writer = Writer(vault, workers)
        self._number = count(1)

    def add(self, tree: Mapping[str, str], device: bytes = bytes(16), label: str = "Pictures") -> NamedSnapshot:
        top = Entry(name=label.encode(), kind=EntryKind.FOLDER, mode=0o755, mtime_ns=0, parts=self._folder("", tree))
        number = next(self._number)
        made = Snapshot(
            device_id=device,
            device_name="x",
            number=number,
            time=f"2024-01-01T00:00:{number:02}.000000Z",
            previous=None,
            root=self._pages([top]),
            counts=Counts(),
            sources=(Source(label=label, path="/"),),
            clear=(),
            epoch=1,
            program="test",
        )
        self._writer.finish()
        self.found.append(self.vault.commit(made))
        return self.found[-1]

    def _folder(self, below: str, tree: Mapping[str, str]) -> tuple[bytes, ...]:
        entries = []
        for name in sorted({path.removeprefix(below).split("/")[0] for path in tree if path.startswith(below)}):
            path = below + name
            if path in tree:
                version, facts = tree[path][1:], VERSIONS.get(tree[path][:1], Facts())
                digest = (version or tree[path]).encode().ljust(32, b".")
                file = Entry(name=name.encode(), kind=EntryKind.FILE, mode=0, mtime_ns=0, digest=digest, facts=facts)
                entries.append(file)
            else:
                parts = self._folder(path + "/", tree)
                entries.append(Entry(name=name.encode(), kind=EntryKind.FOLDER, mode=0, mtime_ns=0, parts=parts))
        return self._pages(entries)

    def _pages(self, entries: list[Entry]) -> tuple[bytes, ...]:
        encoded = [(entry.name, fmt.encode_entry(entry)) for entry in entries]
        return tuple(map(self._writer.add_listing, fmt.encode_pages(encoded)))

    def held(self) -> dict[int, tuple[int, str]]:
        """Number of the snapshot to how many photos it holds, and the first."""
        found = holds(Reader(self.vault), self.found)
        return {
            one.snapshot.number: (found[one.name].photos, found[one.name].first)
            for one in self.found
            if one.name in found
        }


@pytest.fixture
def history(tmp_path: Path) -> Iterator[History]:
    with Workers(1) as workers:
        yield History(make_vault(tmp_path), workers)


@pytest.mark.parametrize("bad", ["b", "e", "s"])
def test_the_newest_snapshot_with_the_good_version_holds_it(history: History, bad: str) -> None:
    history.add({"a/1.jpg": "g", "a/2.jpg": "g"})
    history.add({"a/1.jpg": "g", "a/2.jpg": "g", "b.jpg": "g"})
    history.add({"a/1.jpg": bad, "a/2.jpg": "g", "b.jpg": "g"})
    history.add({"a/1.jpg": bad, "a/2.jpg": "g", "b.jpg": bad})
    assert history.held() == {2: (1, "a/1.jpg"), 3: (1, "b.jpg")}


def test_several_photos_of_one_snapshot_are_counted(history: History) -> None:
    history.add({"z.jpg": "g", "a/1.jpg": "g", "c.jpg": "g"})
    history.add({"z.jpg": "b", "a/1.jpg": "b", "c.jpg": "g1"})
    assert history.held() == {1: (2, "a/1.jpg")}


def test_a_good_one_again_sets_the_old_one_free(history: History) -> None:
    for version in ("g1", "b", "g2"):
        history.add({"a.jpg": version})
    assert history.held() == {}
    history.add({"a.jpg": "b3"})
    assert history.held() == {3: (1, "a.jpg")}


def test_bytes_that_a_later_look_found_bad_were_never_good(history: History) -> None:
    history.add({"a.jpg": "g1"})
    history.add({"a.jpg": "g2"})
    history.add({"a.jpg": "b2"})
    assert history.held() == {1: (1, "a.jpg")}
    history.add({"b.jpg": "g1"})
    history.add({"b.jpg": "b1"})
    assert history.held() == {1: (1, "a.jpg")}


def test_what_was_deleted_is_not_held_but_what_came_back_bad_is(history: History) -> None:
    history.add({"a.jpg": "g", "b.jpg": "g"})
    history.add({"c.jpg": "g"})
    assert history.held() == {}
    history.add({"c.jpg": "g", "a.jpg": "e"})
    assert history.held() == {1: (1, "a.jpg")}
    history.add({"c.jpg": "g"})  # and now the bad one is gone, too
    assert history.held() == {1: (1, "a.jpg")}


def test_what_was_always_bad_or_is_no_photo_is_not_held(history: History) -> None:
    history.add({"a.jpg": "b", "notes.txt": "x1", "a.xmp": "x1"})
    history.add({"a.jpg": "e", "notes.txt": "x2", "a.xmp": "e"})
    assert history.held() == {}


def test_a_folder_in_place_of_a_photo_and_back(history: History) -> None:
    history.add({"a.jpg": "g"})
    history.add({"a.jpg/b.jpg": "g"})
    history.add({"a.jpg": "b"})
    assert history.held() == {1: (1, "a.jpg")}


def test_devices_and_sources_are_apart(history: History) -> None:
    history.add({"a.jpg": "g"})
    history.add({"a.jpg": "b"}, device=bytes([1]) * 16)
    history.add({"a.jpg": "b"}, label="Scans")
    assert history.held() == {}


def test_the_same_folders_are_read_once(history: History) -> None:
    for number in range(20):
        history.add({f"{folder}/{n}.jpg": "g" for folder in range(10) for n in range(3)} | {"x.jpg": f"g{number}"})
    reader = Reader(history.vault)
    read: list[bytes] = []
    folder = reader.folder
    reader.folder = lambda pages: read.extend(pages) or folder(pages)  # type: ignore[method-assign,func-returns-value]
    holds(reader, history.found)
    assert len(read) == 20 + 20  # of each snapshot its root and the one page that is new


def test_a_listing_that_cannot_be_read_stops_everything(history: History) -> None:
    history.add({"a.jpg": "g"})
    lost = replace(history.found[0].snapshot, root=(bytes(32),))
    with pytest.raises(DamageError, match="nobody knows what is needed"):
        holds(Reader(history.vault), [replace(history.found[0], snapshot=lost)])


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(st.sampled_from(["", "g1", "g2", "b1", "e3", "s4", "x"]), min_size=3, max_size=3), max_size=7))
def test_as_one_would_find_by_looking_at_everything(history: History, versions: list[list[str]]) -> None:
    history.found.clear()
    for row in versions:
        history.add({f"{at % 2}/{at}.jpg": version for at, version in enumerate(row) if version})
    wanted: dict[int, set[str]] = {}
    for at in range(3):
        line = [row[at] for row in versions]
        verdict = {one[1:]: one[0] for one in line if one not in {"", "x"}}  # the last one counts
        good = [n for n, one in enumerate(line) if one.startswith("g") and verdict[one[1:]] == "g"]
        if good and any(one[:1] in {"b", "e", "s"} for one in line[good[-1] + 1 :]):
            wanted.setdefault(history.found[good[-1]].snapshot.number, set()).add(f"{at % 2}/{at}.jpg")
    assert history.held() == {number: (len(paths), min(paths)) for number, paths in wanted.items()}
