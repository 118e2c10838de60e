"""Names that are free, whatever is there."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from photovault.importing.plan import is_main, numbered, plan_import
from photovault.importing.values import Incoming, Key, Member, Together, UnreadableError


@dataclass
class Shelf:
    files: dict = field(default_factory=dict)

    def name(self, raw: bytes) -> bytes:
        return raw

    def size(self, path) -> int | None:
        return None if path not in self.files else len(self.files[path])

    def names(self, folder) -> list[bytes]:
        return [path[-1] for path in self.files if path[:-1] == folder]

    def digest(self, path) -> bytes:
        return self.files[path]


class Contents(dict):
    def of(self, incoming: Incoming) -> bytes:
        return self[incoming.member.key]


def together(contents: Contents, *files: tuple[bytes, bytes]) -> Together:
    made = []
    for name, data in files:
        key = Key(0, len(contents))
        contents[key] = data
        member = Member(key=key, folder=b"", name=name, size=len(data), mtime_ns=0, where=f"{key.number}")
        made.append(Incoming(member=member, name=name, mtime_ns=0, main=is_main(name)))
    return Together(folder=(b"f",), files=tuple(made))


@pytest.mark.parametrize(
    ("name", "result"),
    [
        (b"IMG_1.jpg", b"IMG_1-2.jpg"),
        (b"IMG_1.jpg.json", b"IMG_1-2.jpg.json"),
        (b"IMG_1.NEF.xmp", b"IMG_1-2.NEF.xmp"),
        (b"IMG_1.xmp", b"IMG_1-2.xmp"),
        (b"IMG_1-edited.jpg", b"IMG_1-2-edited.jpg"),
        ("IMG_1-modifié.jpg".encode(), "IMG_1-2-modifié.jpg".encode()),
        (b"noext", b"noext-2"),
        (b"a.b.c.jpg", b"a.b.c-2.jpg"),
    ],
)
def test_numbers_keep_together_what_belongs_together(name: bytes, result: bytes) -> None:
    assert numbered(name, 2) == result
    assert numbered(name, 0) == name


def test_a_set_is_numbered_as_a_whole() -> None:
    """The video is free, the picture is not: were only one of them numbered, another's video would be this picture's."""
    contents = Contents()
    shelf = Shelf({(b"f", b"IMG_1.heic"): b"another"})
    plan = plan_import([together(contents, (b"IMG_1.heic", b"a"), (b"IMG_1.mov", b"b"))], shelf, contents, twins=False)
    assert [one.path[-1] for one in plan.copies] == [b"IMG_1-1.heic", b"IMG_1-1.mov"]


def test_half_of_a_set_is_there() -> None:
    contents = Contents()
    shelf = Shelf({(b"f", b"IMG_1.heic"): b"a"})
    plan = plan_import([together(contents, (b"IMG_1.heic", b"a"), (b"IMG_1.mov", b"b"))], shelf, contents, twins=False)
    assert [one.path[-1] for one in plan.copies] == [b"IMG_1.mov"]
    assert [one.path[-1] for one in plan.there] == [b"IMG_1.heic"]


def test_names_that_some_disk_takes_for_one() -> None:
    contents = Contents()
    sets = [
        together(contents, (name.encode(), data))
        for name, data in (("é.jpg", b"a"), ("É.JPG", b"b"), ("e\u0301.jpg", b"c"))
    ]
    plan = plan_import(sets, Shelf(), contents, twins=False)
    assert [one.path[-1].decode() for one in plan.copies] == ["é.jpg", "É-1.JPG", "e\u0301-2.jpg"]


def test_a_sidecar_that_changed_is_named_and_the_old_one_stays() -> None:
    contents = Contents()
    shelf = Shelf({(b"f", b"a.nef"): b"a", (b"f", b"a.xmp"): b"old"})
    plan = plan_import([together(contents, (b"a.nef", b"a"), (b"a.xmp", b"new"))], shelf, contents, twins=False)
    assert (plan.copies, len(plan.there), len(plan.problems)) == ((), 1, 1)


def test_notes_that_differ_each_time_are_counted_apart_and_other_ones_are_named() -> None:
    contents = Contents()
    shelf = Shelf({(b"f", b"a.jpg"): b"a", (b"f", b"a.jpg.json"): b"old"})
    one = together(contents, (b"a.jpg", b"a"), (b"a.jpg.json", b"new"))
    plan = plan_import([one], shelf, contents, twins=True)
    assert (plan.copies, len(plan.there), len(plan.older), len(plan.problems)) == ((), 1, 0, 1)
    rewritten = replace(one, files=(one.files[0], replace(one.files[1], rewritten=True)))
    plan = plan_import([rewritten], shelf, contents, twins=True)
    assert (plan.copies, len(plan.there), len(plan.older), len(plan.problems)) == ((), 1, 1, 0)


def test_a_file_that_cannot_be_compared_costs_only_itself() -> None:
    class Torn(Contents):
        def of(self, incoming: Incoming) -> bytes:
            if incoming.name == b"a.jpg":
                raise UnreadableError(incoming.member.where, "it is damaged")
            return super().of(incoming)

    contents = Torn()
    sets = [together(contents, (b"a.jpg", b"a"), (b"a.mov", b"v")), together(contents, (b"b.jpg", b"b"))]
    plan = plan_import(sets, Shelf(), contents, twins=True)
    assert [one.path[-1] for one in plan.copies] == [b"a.mov", b"b.jpg"]
    assert [one.path for one in plan.problems] == ["0"]


names = st.sampled_from([b"a.jpg", b"A.JPG", b"a-1.jpg", b"a.mov", b"a.jpg.json", b"b.jpg", b"b.xmp"])
files = st.lists(st.tuples(names, st.binary(max_size=2)), min_size=1, max_size=3, unique_by=lambda one: one[0])


@example(
    sets=[
        [(b"a.jpg", b"\x00")],
        [(b"A.JPG", b""), (b"a.jpg.json", b"\x00")],
        [(b"a.jpg", b""), (b"A.JPG", b""), (b"a-1.jpg", b"")],
    ],
    there={b"a.jpg.json": b"", b"a.jpg": b""},
    twins=False,
)
@given(st.lists(files, max_size=8), st.dictionaries(names, st.binary(max_size=2)), st.booleans())
def test_no_path_is_planned_twice_or_taken_and_a_second_run_has_nothing_to_do(sets, there, twins: bool) -> None:
    contents = Contents()
    shelf = Shelf({(b"f", name): data for name, data in there.items()})
    wanted = [together(contents, *one) for one in sets]
    plan = plan_import(wanted, shelf, contents, twins=twins)
    paths = [one.path for one in plan.copies]
    assert len(set(paths)) == len(paths)
    assert not set(paths) & shelf.files.keys()
    mains = {data for one in sets for name, data in one if is_main(name)}
    shelf.files |= {one.path: contents[one.incoming.member.key] for one in plan.copies}
    assert mains <= set(shelf.files.values())
    assert plan_import(wanted, shelf, contents, twins=twins).copies == ()
