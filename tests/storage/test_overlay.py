"""An overlay shows what lies below, takes everything, and lets nothing through."""

from __future__ import annotations

import pytest

from photovault.errors import MissingError, RefusedError
from photovault.storage.memory import MemoryStorage
from photovault.storage.overlay import OverlayStorage


@pytest.fixture
def below() -> MemoryStorage:
    made = MemoryStorage()
    made.objects = {"keys/a": b"0123", "packs/b": b"xx"}
    return made


@pytest.fixture
def overlay(below: MemoryStorage) -> OverlayStorage[str]:
    return OverlayStorage(below, list(below.listing("")), lambda name, data: f"{name} has {len(data)}")


def listed(overlay: OverlayStorage[str], prefix: str = "") -> dict[str, int]:
    return {one.name: one.size for one in overlay.listing(prefix)}


def test_nothing_reaches_what_lies_below(overlay: OverlayStorage[str], below: MemoryStorage) -> None:
    before = dict(below.objects)
    overlay.put("packs/c", memoryview(b"new"))
    overlay.delete("packs/b")
    overlay.put("keys/a", b"other")
    assert below.objects == before


def test_with_a_place_to_keep_it_what_was_put_can_be_read(below: MemoryStorage) -> None:
    kept = MemoryStorage()
    overlay = OverlayStorage(below, list(below.listing("")), lambda name, data: name, kept)
    overlay.put("packs/c", b"newer")
    assert overlay.get("packs/c", 1, 2) == b"ew"
    assert overlay.get("packs/b") == b"xx"
    assert list(below.objects) == ["keys/a", "packs/b"]
    overlay.delete("packs/c")
    with pytest.raises(MissingError):
        overlay.get("packs/c")


def test_a_witness_of_each_object_is_kept(overlay: OverlayStorage[str]) -> None:
    overlay.put("packs/c", b"new")
    assert overlay.put_here == {"packs/c": "packs/c has 3"}
    with pytest.raises(MissingError):
        overlay.get("packs/c")


def test_it_shows_both_and_hides_what_was_removed(overlay: OverlayStorage[str]) -> None:
    overlay.put("packs/c", b"new")
    assert listed(overlay, "packs/") == {"packs/b": 2, "packs/c": 3}
    assert overlay.get("keys/a", 1, 2) == b"12"
    overlay.delete("packs/b")
    overlay.delete("packs/c")
    assert listed(overlay) == {"keys/a": 4}
    with pytest.raises(MissingError):
        overlay.get("packs/b")


def test_what_comes_below_afterwards_is_not_seen(overlay: OverlayStorage[str], below: MemoryStorage) -> None:
    below.put("packs/late", b"1")
    assert "packs/late" not in listed(overlay)
    with pytest.raises(MissingError):
        overlay.get("packs/late")


def test_names_are_checked_and_the_address_is_that_below(overlay: OverlayStorage[str]) -> None:
    assert overlay.address == "memory:"
    with pytest.raises(RefusedError):
        overlay.put("../x", b"")
