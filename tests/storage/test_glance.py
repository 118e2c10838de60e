"""Looking once while a vault is opened: fewer questions, and never an old answer to a new one."""

from __future__ import annotations

import pytest

from photovault.errors import MissingError
from photovault.storage.glance import Glance
from photovault.storage.memory import MemoryStorage

HEADER = "vault.json"


class Counting(MemoryStorage):
    def __init__(self):
        super().__init__()
        self.asked = []

    def get(self, name, offset=0, length=None):
        self.asked.append(f"get {name}")
        return super().get(name, offset, length)

    def listing(self, prefix):
        self.asked.append(f"list {prefix}")
        return super().listing(prefix)


@pytest.fixture
def inner():
    storage = Counting()
    for name in (HEADER, "keys/aa", "packs/ab/abc", "index/cd", "snapshots/ef"):
        storage.put(name, name.encode())
    return storage


def names(storage, prefix):
    return sorted(stored.name for stored in storage.listing(prefix))


def test_opening_is_three_questions(inner):
    glance = Glance(inner, HEADER)
    assert [glance.get(HEADER), glance.get(HEADER)] == [b"vault.json"] * 2
    assert names(glance, "keys/") == ["keys/aa"]
    assert names(glance, "packs/") == ["packs/ab/abc"]
    assert names(glance, "index/") == ["index/cd"]
    assert names(glance, "snapshots/") == ["snapshots/ef"]
    assert inner.asked == ["get vault.json", "list snapshots/", "list "]


def test_the_second_question_is_asked_anew(inner):
    glance = Glance(inner, HEADER)
    names(glance, "packs/")
    inner.put("packs/ab/new", b"x")
    assert names(glance, "packs/") == ["packs/ab/abc", "packs/ab/new"]


def test_after_a_put_or_a_removal_everything_is_asked_anew(inner):
    for change in (lambda glance: glance.put("keys/bb", b"x"), lambda glance: glance.delete("keys/bb")):
        glance = Glance(inner, HEADER)
        names(glance, "packs/")
        assert glance.get(HEADER)
        change(glance)
        inner.delete("snapshots/ef")
        inner.asked.clear()
        assert names(glance, "snapshots/") == []
        assert glance.get(HEADER) == b"vault.json"
        assert inner.asked == ["list snapshots/", "get vault.json"]


def test_a_snapshot_that_is_seen_has_its_packs(inner):
    """Another device stores a pack and then a snapshot while we list: the snapshot is not seen without its pack."""
    real = inner.listing

    def meanwhile(prefix):
        found = list(real(prefix))
        if prefix == "":
            inner.put("packs/ab/late", b"x")
            inner.put("snapshots/late", b"x")
        return iter(found)

    inner.listing = meanwhile
    glance = Glance(inner, HEADER)
    assert "packs/ab/late" not in names(glance, "packs/")
    assert names(glance, "snapshots/") == ["snapshots/ef"]


def test_what_is_not_there_is_missing_each_time(inner):
    inner.delete(HEADER)
    glance = Glance(inner, HEADER)
    for _ in range(2):
        with pytest.raises(MissingError):
            glance.get(HEADER)


class Interrupted(Glance):
    """Another thread puts something at the moment after an answer was kept."""

    def __setattr__(self, name, value):
        super().__setattr__(name, value)
        if name in {"_object", "_seen"} and value is not None:
            self.put("keys/new", b"x")


def test_a_put_in_the_middle_of_a_question_does_no_harm(inner):
    """As when packs are on their way while the header is hashed for the snapshot."""
    assert Interrupted(inner, HEADER).get(HEADER) == b"vault.json"
    assert names(Interrupted(inner, HEADER), "packs/") == ["packs/ab/abc"]


def test_what_was_answered_is_not_kept(inner):
    glance = Glance(inner, HEADER)
    for prefix in ("keys/", "packs/", "index/", "snapshots/"):
        names(glance, prefix)
    assert glance._seen == {HEADER: [found for found in inner.listing("") if found.name == HEADER]}
