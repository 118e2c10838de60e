"""Which files of a folder belong together."""

from __future__ import annotations

import time
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from photovault.facts import NOTHING, Facts
from photovault.photos.sets import PhotoSet, Role, SetKind, Sort, sets_of, sort_of

JPEG, HEIC, RAW, MOV = (Facts(kind=kind) for kind in ("jpeg", "heic", "nef", "mov"))


def grouped(*names: str, **facts: Facts) -> list[list[str]]:
    """The sets of files about which nothing but the name is known, each as its names."""
    return [[name.decode() for name, _ in one.members] for one in sets_of([(name.encode(), NOTHING) for name in names])]


def only(*entries: tuple[str, Facts]) -> PhotoSet:
    (one,) = sets_of([(name.encode(), facts) for name, facts in entries])
    return one


def roles(one: PhotoSet) -> dict[str, str]:
    return {name.decode(): str(role) for name, role in one.members}


@pytest.mark.parametrize(
    "names",
    [
        ["IMG_1.JPG", "IMG_1.CR2"],
        ["IMG_1.jpg", "img_1.nef"],
        ["IMG_1.HEIC", "IMG_1.DNG"],
        ["IMG_1.HEIC", "IMG_1.JPG", "IMG_1.DNG"],
        ["IMG_1.HEIC", "IMG_1.MOV"],
        ["IMG_1.JPG", "IMG_1.mp4"],
        ["PXL_1.MP.jpg", "PXL_1.MP"],
        ["IMG_1234.HEIC", "IMG_E1234.HEIC"],
        ["IMG_1234.HEIC", "IMG_E1234.JPG", "IMG_1234.AAE"],
        ["IMG_1234.HEIC", "IMG_1234.AAE", "IMG_O1234.AAE"],
        ["IMG_1234.HEIC", "IMG_1234.MOV", "IMG_E1234.HEIC", "IMG_E1234.MOV"],
        ["a.jpg", "a-edited.jpg"],
        ["a.jpg", "a-bearbeitet.jpg", "a-bearbeitet(1).png.json"][:2],
        ["a(1).jpg", "a-edited(1).jpg"],
        ["PXL_1.jpg", "PXL_1~2.jpg", "PXL_1~3.jpg"],
        ["a.jpg", "a~2.jpg", "a~2-edited.jpg"],
        ["a.heic", "a-edited.jpg"],
        ["clip.mp4", "clip-edited.mp4"],
        ["IMG_1.jpg", "IMG_1.xmp"],
        ["IMG_1.jpg", "IMG_1.jpg.xmp"],
        ["IMG_1.JPG", "img_1.jpg.XMP"],
        ["IMG_1.NEF", "IMG_1.NEF.dop", "IMG_1_01.nef.xmp", "IMG_1.pp3"],
        ["Cafe\u0301.jpg", "Caf\u00e9-edited.jpg", "CAF\u00c9.xmp", "Caf\u00e9.jpg.json"],
        ["IMG_1.jpg", "IMG_1.jpg.json"],
        ["IMG_1.HEIC", "IMG_1.MP4", "IMG_1.HEIC.supplemental-metadata.json"],
        ["IMG_1.jpg", "IMG_1-edited.jpg", "IMG_1.jpg.suppl.json"],
        ["IMG_1(1).jpg", "IMG_1.jpg(1).json"],
        ["DJI_1.MP4", "DJI_1.SRT", "DJI_1.LRF"],
        ["GX010001.MP4", "GX010001.THM", "GL010001.LRV"],
        ["00000IMG_00000_BURST20200101123456789_COVER.jpg", "00001IMG_00001_BURST20200101123456789.jpg"],
    ],
)
def test_files_that_belong_together(names: list[str]) -> None:
    sets = grouped(*names, "unrelated.jpg", "zzz.mov")
    assert len(sets) == 3
    assert sorted(names) in [sorted(one) for one in sets]


@pytest.mark.parametrize(
    "names",
    [
        ["IMG_1.jpg", "IMG_2.jpg"],
        ["IMG_1.jpg", "IMG_1.png"],
        ["IMG_1.jpg", "IMG_10.xmp"],
        ["IMG_E1234.JPG", "IMG_1235.JPG"],
        ["a-edited.jpg", "b.jpg"],
        ["a.jpg", "a(1).jpg"],
        ["a.jpg", "notes.txt", "a.txt"],
        ["a.mov", "a-edited.jpg"],
        ["a.jpg", "package.json"],
        ["a.mp4", "a.mov"],
        ["a.aae", "a.xmp"],
    ],
)
def test_files_that_do_not(names: list[str]) -> None:
    assert sorted(grouped(*names)) == sorted([name] for name in names)


def test_the_same_content_identifier_makes_a_live_photo_whatever_the_names() -> None:
    photo, video = Facts(kind="heic", content_id="A"), Facts(kind="mov", content_id="A", duration=60_000)
    one = only(("b renamed.heic", photo), ("a.mov", video))
    assert (one.kind, roles(one)) == (SetKind.LIVE, {"b renamed.heic": "primary", "a.mov": "video"})
    other = Facts(kind="mov", content_id="B", duration=3_000)
    assert len(sets_of([(b"x.heic", photo), (b"x.mov", other)])) == 2


def test_a_film_is_no_live_photo_because_of_its_name() -> None:
    assert len(sets_of([(b"x.jpg", JPEG), (b"x.mov", Facts(kind="mov", duration=20_000))])) == 2
    assert only(("x.jpg", JPEG), ("x.mov", Facts(kind="mov", duration=2_900))).kind is SetKind.LIVE


def test_what_a_file_is_goes_by_its_content_first() -> None:
    assert sort_of(b"x.jpg", MOV) is Sort.VIDEO
    assert sort_of(b"x.mov") is Sort.VIDEO
    assert sort_of(b"x", JPEG) is Sort.PHOTO
    assert sort_of(b"x.thm", JPEG) is Sort.SIDECAR
    assert sort_of(b"x.json", Facts(kind="takeout")) is Sort.SIDECAR
    assert [sort_of(name) for name in (b"x.json", b"x.txt", b"x", b".jpg")] == [
        Sort.OTHER,
        Sort.OTHER,
        Sort.OTHER,
        Sort.PHOTO,
    ]


def test_pictures_of_one_stem_and_different_days_are_different_photos() -> None:
    old, new = (
        Facts(kind=kind, taken=taken)
        for kind, taken in (("nef", "2019-05-01T10:00:00"), ("jpeg", "2021-06-01T10:00:00"))
    )
    assert len(sets_of([(b"DSC_1.NEF", old), (b"DSC_1.JPG", new)])) == 2
    same = Facts(kind="jpeg", taken="2019-05-01T10:00:01.5+02:00")
    assert only(("DSC_1.NEF", old), ("DSC_1.JPG", same)).primary == b"DSC_1.JPG"


def test_one_photo_in_two_formats_is_one_if_its_dates_are() -> None:
    taken = "2021-06-01T10:00:00"
    one = only(("a.heic", Facts(kind="heic", taken=taken)), ("a.jpg", Facts(kind="jpeg", taken=taken)))
    assert roles(one) == {"a.heic": "primary", "a.jpg": "copy"}


def test_a_burst_is_one_set_and_each_shot_keeps_its_own_companions() -> None:
    shots = [(f"IMG_{n}.HEIC", Facts(kind="heic", burst_id="B")) for n in range(3)]
    one = only(*shots, ("IMG_1.MOV", MOV), ("IMG_2.xmp", NOTHING))
    assert (one.kind, one.kinds) == (SetKind.BURST, {SetKind.BURST, SetKind.LIVE, SetKind.SIDECAR})
    assert roles(one) == {
        "IMG_0.HEIC": "primary", "IMG_1.MOV": "video", "IMG_1.HEIC": "burst", "IMG_2.HEIC": "burst", "IMG_2.xmp": "sidecar",
    }  # fmt: skip
    assert sets_of([(b"a.heic", Facts(kind="heic", burst_id="B"))])[0].kind is SetKind.SINGLE


def test_kinds_of_sets() -> None:
    assert only(("a.jpg", Facts(kind="jpeg", motion=5))).kind is SetKind.MOTION
    assert only(("a.jpg", Facts(kind="jpeg", gain_map=True))).kind is SetKind.SINGLE
    assert only(("a.xmp", Facts(kind="xmp"))).kind is SetKind.SIDECAR
    assert only(("a.jpg", JPEG), ("a.xmp", NOTHING)).kinds == {SetKind.SINGLE, SetKind.SIDECAR}
    raw = only(("a.jpg", JPEG), ("a.nef", RAW), ("a-edited.jpg", JPEG))
    assert (raw.kind, raw.kinds) == (SetKind.RAW, {SetKind.RAW, SetKind.EDITED})
    assert only(("a.nef", RAW), ("a.dng", Facts(kind="dng"))).kind is SetKind.SINGLE


def test_a_sidecar_of_two_photos_of_one_stem_goes_with_the_raw_or_the_film() -> None:
    names = [b"a.png", b"a.jpg", b"a.mp4", b"a.xmp", b"a.srt"]
    facts = [Facts(kind="png"), JPEG, Facts(kind="mp4", duration=9_000), NOTHING, NOTHING]
    members = [dict(one.members) for one in sets_of(list(zip(names, facts, strict=True)))]
    assert {b"a.mp4": Role.PRIMARY, b"a.srt": Role.SIDECAR} in members
    assert {b"a.jpg": Role.PRIMARY, b"a.xmp": Role.SIDECAR} in members


def test_facts_are_the_primarys_filled_from_the_others() -> None:
    jpeg = Facts(kind="jpeg", width=10, taken="2020", taken_source="name", taken_confidence="low", make="A", rating=0)
    xmp = Facts(kind="xmp", rating=4, keywords=("tree",), title="Trees", make="C", model="C1")
    notes = Facts(
        kind="takeout", taken="2020-01-02T03:04:05Z", taken_source="takeout", taken_confidence="high",
        title="a.jpg", description="from Google", latitude=1, longitude=2,
    )  # fmt: skip
    one = only(("a.jpg", jpeg), ("a.nef", Facts(kind="nef")), ("a.xmp", xmp), ("a.jpg.json", notes)).facts
    assert (one.kind, one.width, one.make, one.model) == ("jpeg", 10, "A", None)
    assert (one.taken, one.taken_source) == ("2020-01-02T03:04:05Z", "takeout"), "better than what the name says"
    assert (one.rating, one.keywords, one.title, one.description) == (4, ("tree",), "Trees", "from Google")
    assert (one.latitude, one.longitude) == (1, 2)
    jpeg = Facts(kind="jpeg", taken="2019-02-02T10:00:00", taken_confidence="high", rating=2, title="Mine")
    raw = Facts(kind="nef", width=99, lens="50 mm", taken="2019-02-02T10:00:09", taken_confidence="high", make="B")
    one = only(("a.jpg", jpeg), ("a.nef", raw), ("a.xmp", xmp), ("a.jpg.json", notes)).facts
    assert (one.taken, one.rating, one.title) == ("2019-02-02T10:00:00", 2, "Mine")
    assert (one.lens, one.make, one.model, one.width) == ("50 mm", "C", "C1", None), "make and model are of one camera"


def test_a_takeout_title_decides_between_photos_whose_names_were_cut() -> None:
    stem = "a long title, of which Takeout keeps only the "
    notes = [(f"{stem}.json", f"{stem}Z.jpg"), (f"{stem}(1).json", f"{stem}Y.jpg")]
    entries = [(name.encode(), Facts(kind="takeout", title=title)) for name, title in notes]
    entries += [(f"{stem}{c}.jpg".encode(), JPEG) for c in "YZ"]
    assert {one.primary[-5:]: one.members[1][0] for one in sets_of(entries)} == {
        b"Z.jpg": notes[0][0].encode(), b"Y.jpg": notes[1][0].encode(),
    }  # fmt: skip


stems = st.sampled_from(
    ["IMG_1234", "IMG_E1234", "img_1234", "IMG_O1234", "a", "a-edited", "a~2", "a~2-edited", "a(1)", "a.jpg", "\xff"]
)
extensions = st.sampled_from(
    ["jpg", "JPG", "heic", "nef", "mov", "mp4", "xmp", "aae", "json", "jpg.json", "jpg.xmp", "mp", "lrv", "txt", ""]
)
facts = st.builds(
    Facts,
    kind=st.sampled_from(["", "jpeg", "heic", "nef", "mov", "xmp", "takeout"]),
    content_id=st.sampled_from([None, "A", "B"]),
    burst_id=st.sampled_from([None, "X"]),
    duration=st.sampled_from([None, 3000, 30000]),
    taken=st.sampled_from([None, "2020-01-01T00:00:00", "2021-01-01T00:00:00"]),
    title=st.sampled_from([None, "a.jpg"]),
    motion=st.sampled_from([None, 7]),
)
names = st.builds("{}.{}".format, stems, extensions).map(lambda name: name.encode("latin-1"))
folders = st.lists(st.tuples(names | st.binary(min_size=1, max_size=6), facts), max_size=14)


@given(folders)
def test_every_file_is_in_exactly_one_set(entries: list[tuple[bytes, Facts]]) -> None:
    sets = sets_of(entries)
    assert Counter(name for one in sets for name, _ in one.members) == Counter(name for name, _ in entries)
    for one in sets:
        assert [role for _, role in one.members].count(Role.PRIMARY) == 1
        assert one.members[0][1] is Role.PRIMARY
        assert one.kind in one.kinds
    assert [one.primary for one in sets] == sorted(one.primary for one in sets)


@given(folders, st.randoms())
def test_the_order_of_the_files_does_not_matter(entries: list[tuple[bytes, Facts]], random) -> None:
    before = sets_of(entries)
    random.shuffle(entries)
    assert sets_of(entries) == before


@pytest.mark.parametrize(
    "make", ["a.{}", "a.j{}", "a{}.json", "a({}).jpg", "IMG_{}.jpg", "a~{}.jpg", "a-edited({}).jpg"]
)
def test_folders_made_to_be_slow_are_not(make: str) -> None:
    entries = [(make.format(n).encode(), Facts(kind=kind)) for n in range(2_000) for kind in ("", "jpeg", "mov")]
    begin = time.process_time()
    assert sum(len(one.members) for one in sets_of(entries)) == len(entries)
    assert time.process_time() - begin < 10
