"""Which entries are wanted."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from photovault.errors import UsageError
from photovault.facts import Facts
from photovault.model import Entry, EntryKind
from photovault.photos.choose import KINDS, Filters, Hit, camera_of, choose, taken_or_modified
from photovault.photos.sets import SetKind


def entry(taken: str | None = None, mtime_ns: int = 0, kind: EntryKind = EntryKind.FILE, name: bytes = b"x") -> Entry:
    return Entry(name=name, kind=kind, mode=0o644, mtime_ns=mtime_ns, facts=Facts(taken=taken))


def wanted(path: str, *paths: str) -> bool:
    return choose(paths).chosen([(path, entry())]) == [Hit.ITSELF]


def fits(one: Entry, **filters: object) -> bool:
    return bool(choose([], Filters(**filters)).chosen([("a.jpg", one)])[0])


def chosen(names: dict[str, Facts], *paths: str, only_matching: bool = False, **filters: object) -> list[str]:
    """The names that are chosen of the files of the folder P; of one that only comes along, with a plus."""
    files = [
        (f"P/{name}", Entry(name=name.encode(), kind=EntryKind.FILE, mode=0o644, mtime_ns=0, facts=facts))
        for name, facts in names.items()
    ]
    hits = choose(paths, Filters(**filters), only_matching=only_matching).chosen(files)
    return [("+" if hit is Hit.ALONG else "") + name for name, hit in zip(names, hits, strict=True) if hit]


def test_nothing_chosen_is_everything() -> None:
    assert choose([]).everything
    assert choose(["/"]).everything
    assert wanted("a/b.jpg")
    assert choose([]).wants_folder("a")


def test_photos_by_their_contents_come_with_their_sets() -> None:
    contents = {"IMG_1.heic": b"1", "IMG_1.mov": b"2", "IMG_2.heic": b"3"}
    files = [
        (f"P/{name}", Entry(name=name.encode(), kind=EntryKind.FILE, mode=0o644, mtime_ns=0, digest=32 * one))
        for name, one in contents.items()
    ]
    hits = choose([], Filters(digests=frozenset([32 * b"1"]))).chosen(files)
    assert hits == [Hit.ITSELF, Hit.ALONG, Hit.NONE]
    assert choose([], Filters(digests=frozenset())).chosen(files) == [Hit.NONE] * 3
    assert not choose([], Filters(digests=frozenset())).everything


@pytest.mark.parametrize(
    ("path", "chosen", "is_wanted"),
    [
        ("P/2021/a.jpg", "P/2021", True),
        ("P/2021/a.jpg", "/P/2021/", True),
        ("P/2021/a.jpg", "P/2021/a.jpg", True),
        ("P/2021b/a.jpg", "P/2021", False),
        ("P/2021", "P/2021/a.jpg", False),
        ("P/2021/a.JPG", "*.jpg", False),
        ("P/2021/a.jpg", "*.jpg", True),
        ("P/2021/a.jpg", "2021/*.jpg", False),
        ("P/2021/a.jpg", "P/*/a.jpg", True),
        ("P/x/y/a.jpg", "P/**/a.jpg", True),
        ("P/IMG_1.jpg", "IMG_?.jpg", True),
        ("P/[old] ones/a.jpg", "P/[old] ones", True),
        ("P/a*b/c.jpg", "P/a*b", True),
        ("P/[a.jpg", "[[]a.jpg", True),
    ],
)
def test_paths_and_patterns(path: str, chosen: str, is_wanted: bool) -> None:
    assert wanted(path, chosen) is is_wanted


def test_folders_that_cannot_hold_anything_wanted_are_spared() -> None:
    choice = choose(["P/2021/05"])
    assert [choice.may_hold(path) for path in ("P", "P/2021", "P/2021/05/x", "P/2022", "Q")] == [
        True, True, True, False, False,
    ]  # fmt: skip
    assert choose(["*.jpg"]).may_hold("anything")


def test_a_folder_is_wanted_for_itself_only_by_its_path() -> None:
    assert choose(["P/2021"]).wants_folder("P/2021/05")
    assert not choose(["P/2021"]).wants_folder("P")
    assert not choose(["*.jpg"]).wants_folder("P")
    assert not choose([], Filters(since="2021")).wants_folder("P")


@pytest.mark.parametrize(
    ("since", "until", "taken", "is_wanted"),
    [
        ("2021-05", None, "2021-05-01T00:00:00", True),
        ("2021-05", None, "2021-04-30T23:59:59", False),
        (None, "2021-05", "2021-05-31T23:59:59", True),
        (None, "2021-05", "2021-06-01T00:00:00", False),
        ("2021", "2021", "2021-12-31T23:59:59+02:00", True),
        ("2021-05-04T13:00", "2021-05-04T13:00", "2021-05-04T13:00:59", True),
        ("2021-05-04T13:00", "2021-05-04T13:00", "2021-05-04T13:01:00", False),
    ],
)
def test_dates_are_compared_as_far_as_they_are_written(
    since: str | None, until: str | None, taken: str, is_wanted: bool
) -> None:
    assert fits(entry(taken), since=since, until=until) is is_wanted


def test_without_a_date_taken_the_modification_time_counts() -> None:
    assert taken_or_modified(entry(mtime_ns=1_620_133_200_500_000_000)) == "2021-05-04T13:00:00.500000"
    assert fits(entry(mtime_ns=1_620_133_200 * 10**9), since="2021-05-04", until="2021-05-04")


@pytest.mark.parametrize("mtime_ns", [10**30, -(10**30)])
def test_impossible_times_are_no_error(mtime_ns: int) -> None:
    assert not fits(entry(mtime_ns=mtime_ns), since="1900")


@pytest.mark.parametrize("date", ["", "21", "2021-5", "May 2021", "2021-05-04 13:00", "2021-05-04T1"])
def test_what_is_no_date_is_refused_by_name(date: str) -> None:
    with pytest.raises(UsageError, match="not a date"):
        choose([], Filters(since=date))
    with pytest.raises(UsageError, match="not a date"):
        choose([], Filters(until=date))


@given(st.text(max_size=20), st.text(max_size=20))
def test_any_text_is_a_choice_or_a_usage_error(chosen: str, path: str) -> None:
    try:
        choice = choose([chosen])
    except UsageError:
        return
    choice.chosen([(path, entry())])
    choice.may_hold(path)


HEIC = Facts(
    kind="heic", taken="2021-05-04T13:00:00", make="Apple", model="iPhone 12", lens="wide 4.2 mm", rating=3,
    latitude=418900000, longitude=125000000, content_id="C", title="Café Müller", keywords=("summer", "Rome"),
)  # fmt: skip
LIVE = {"IMG_1.HEIC": HEIC, "IMG_1.MOV": Facts(kind="mov", content_id="C"), "IMG_1.xmp": Facts(kind="xmp")}
OTHERS = {"b.jpg": Facts(kind="jpeg"), "c.mp4": Facts(kind="mp4", duration=60_000), "d.xmp": Facts(kind="xmp")}
ALL = {**LIVE, **OTHERS}


@pytest.mark.parametrize(
    "filters",
    [
        {"since": "2021-05", "until": "2021-05"},
        {"camera": "iphone"},
        {"camera": "APPLE 12"},
        {"camera": "wide"},
        {"kind": "live"},
        {"kind": "heif"},
        {"kind": "HEIC"},
        {"rating": 3},
        {"text": "cafe MULLER"},
        {"text": "rome summer"},
        {"text": "img_1"},
        {"set_kind": SetKind.LIVE},
        {"near": lambda latitude, longitude: (latitude, longitude) == (418900000, 125000000)},
        {"camera": "iphone", "kind": "photo", "rating": 1, "text": "müller"},
    ],
)
def test_filters_choose_whole_sets(filters: dict[str, object]) -> None:
    assert [name.strip("+") for name in chosen(ALL, **filters)] == list(LIVE)


@pytest.mark.parametrize(
    ("filters", "names"),
    [
        ({"kind": "photo"}, [*LIVE, "b.jpg"]),
        ({"kind": "video"}, ["c.mp4"]),
        ({"kind": "mov"}, list(LIVE)),
        ({"kind": "sidecar"}, [*LIVE, "d.xmp"]),
        ({"set_kind": SetKind.SIDECAR}, [*LIVE, "d.xmp"]),
        ({"set_kind": SetKind.SINGLE}, ["b.jpg", "c.mp4"]),
        ({"rating": 4}, []),
        ({"camera": "iphone 13"}, []),
        ({"text": "rome winter"}, []),
        ({"broken": True}, []),
        ({"camera": "iphone", "kind": "video"}, []),
        ({"near": lambda *_: False}, []),
    ],
)
def test_each_filter_leaves_the_others_out(filters: dict[str, object], names: list[str]) -> None:
    assert [name.strip("+") for name in chosen(ALL, **filters)] == names


def test_a_photo_is_found_by_what_its_notes_and_its_raw_say() -> None:
    notes = Facts(kind="takeout", taken="2019-01-01T00:00:00Z", taken_source="takeout", taken_confidence="high")
    names = {"a.jpg": Facts(kind="jpeg"), "a.jpg.json": notes, "a.nef": Facts(kind="nef", lens="50 mm", rating=5)}
    assert [name.strip("+") for name in chosen(names, since="2019", until="2019", rating=5, camera="50")] == list(names)
    assert chosen(names, since="1990", until="1990") == []


def test_what_is_broken() -> None:
    assert chosen({"a.jpg": Facts(kind="jpeg", broken="cut short"), "b.jpg": Facts()}, broken=True) == ["a.jpg"]


def test_a_path_or_pattern_that_hits_a_file_brings_its_set() -> None:
    assert chosen(ALL, "P/IMG_1.HEIC") == ["IMG_1.HEIC", "+IMG_1.MOV", "+IMG_1.xmp"]
    assert chosen(ALL, "*.xmp") == ["+IMG_1.HEIC", "+IMG_1.MOV", "IMG_1.xmp", "d.xmp"]
    assert chosen(ALL, "P") == list(ALL)
    assert chosen(ALL, "Q") == []


def test_only_what_matches() -> None:
    assert chosen(ALL, "P/IMG_1.HEIC", only_matching=True) == ["IMG_1.HEIC"]
    assert chosen(ALL, "*.xmp", only_matching=True) == ["IMG_1.xmp", "d.xmp"]
    assert chosen(ALL, kind="video", only_matching=True) == ["IMG_1.MOV", "c.mp4"]
    assert chosen(ALL, camera="iphone", only_matching=True) == ["IMG_1.HEIC"]
    assert chosen(ALL, set_kind=SetKind.LIVE, only_matching=True) == list(LIVE)


def test_paths_and_filters_must_both_hit() -> None:
    assert chosen(ALL, "P/b.jpg", kind="photo") == ["b.jpg"]
    assert chosen(ALL, "P/b.jpg", kind="video") == []
    assert [name.strip("+") for name in chosen(ALL, "*.MOV", kind="photo")] == list(LIVE)


def test_what_is_no_kind_is_refused_and_those_that_are_told() -> None:
    with pytest.raises(UsageError, match="not a kind") as caught:
        choose([], Filters(kind="picture"))
    assert all(kind in caught.value.hint for kind in KINDS)


@pytest.mark.parametrize(
    ("make", "model", "shown"),
    [
        ("Canon", "Canon EOS 5D", "Canon EOS 5D"),
        ("Apple", "iPhone 12", "Apple iPhone 12"),
        (None, "X100", "X100"),
        ("FUJIFILM", None, "FUJIFILM"),
        (None, None, ""),
    ],
)
def test_the_camera_for_people(make: str | None, model: str | None, shown: str) -> None:
    assert camera_of(Facts(make=make, model=model)) == shown
