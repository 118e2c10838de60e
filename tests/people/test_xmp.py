"""Names in sidecar files: what photovault writes others can read, what others wrote is understood, and hostile XML is harmless."""

from __future__ import annotations

import os
import time
import tracemalloc
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from photovault.errors import RefusedError, UsageError
from photovault.people import regions, xmp
from photovault.people.values import Box
from tests.people.store_world import decisions, digest, grouped, made, seen, stamp

NAME = 'Änne "O\'Neill" <& Söhne>'
BOX = Box(0.1, 0.2, 0.15, 0.25)
RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
MWG = "{http://www.metadataworkinggroup.com/schemas/regions/}"
AREA = "{http://ns.adobe.com/xmp/sType/Area#}"

DIGIKAM = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="XMP Core 4.4.0-Exiv2">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about=""
    xmlns:mwg-rs="http://www.metadataworkinggroup.com/schemas/regions/"
    xmlns:stDim="http://ns.adobe.com/xap/1.0/sType/Dimensions#"
    xmlns:stArea="http://ns.adobe.com/xmp/sType/Area#"
    xmlns:MP="http://ns.microsoft.com/photo/1.2/"
    xmlns:MPRI="http://ns.microsoft.com/photo/1.2/t/RegionInfo#"
    xmlns:MPReg="http://ns.microsoft.com/photo/1.2/t/Region#"
    xmlns:tiff="http://ns.adobe.com/tiff/1.0/"
   tiff:Orientation="1">
   <mwg-rs:Regions rdf:parseType="Resource">
    <mwg-rs:AppliedToDimensions stDim:w="4000" stDim:h="3000" stDim:unit="pixel"/>
    <mwg-rs:RegionList>
     <rdf:Bag>
      <rdf:li>
       <rdf:Description mwg-rs:Name="Anna" mwg-rs:Type="Face">
        <mwg-rs:Area stArea:x="0.175" stArea:y="0.325" stArea:w="0.15" stArea:h="0.25" stArea:unit="normalized"/>
       </rdf:Description>
      </rdf:li>
      <rdf:li>
       <rdf:Description mwg-rs:Name="Rex" mwg-rs:Type="Pet">
        <mwg-rs:Area stArea:x="0.5" stArea:y="0.5" stArea:w="0.1" stArea:h="0.1" stArea:unit="normalized"/>
       </rdf:Description>
      </rdf:li>
     </rdf:Bag>
    </mwg-rs:RegionList>
   </mwg-rs:Regions>
   <MP:RegionInfo rdf:parseType="Resource">
    <MPRI:Regions>
     <rdf:Bag>
      <rdf:li MPReg:Rectangle="0.1, 0.2, 0.15, 0.25" MPReg:PersonDisplayName="Anna"/>
     </rdf:Bag>
    </MPRI:Regions>
   </MP:RegionInfo>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>"""

LIGHTROOM = """<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="Adobe XMP Core 7.0">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about=""
    xmlns:r="http://www.metadataworkinggroup.com/schemas/regions/"
    xmlns:d="http://ns.adobe.com/xap/1.0/sType/Dimensions#"
    xmlns:a="http://ns.adobe.com/xmp/sType/Area#">
   <r:Regions rdf:parseType="Resource">
    <r:AppliedToDimensions rdf:parseType="Resource"><d:w>4000</d:w><d:h>3000</d:h><d:unit>pixel</d:unit></r:AppliedToDimensions>
    <r:RegionList>
     <rdf:Bag>
      <rdf:li rdf:parseType="Resource">
       <r:Area rdf:parseType="Resource"><a:x>0.175</a:x><a:y>0.325</a:y><a:w>0.15</a:w><a:h>0.25</a:h></r:Area>
       <r:Name>Anna &amp; Co</r:Name>
       <r:Type>Face</r:Type>
      </rdf:li>
     </rdf:Bag>
    </r:RegionList>
   </r:Regions>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>"""


def near(box, other):
    return box.overlap(other) > 0.999


@pytest.fixture
def photos(tmp_path):
    (tmp_path / "photos" / "sub").mkdir(parents=True)
    return tmp_path / "photos"


@pytest.fixture
def store(tmp_path, photos):
    """Two photos of Anna, whom somebody named, and of somebody else."""
    with made(tmp_path / "people") as store:
        for name in ("a.jpg", "sub/b.jpg"):
            path = os.fsencode(photos / name)
            faces = [seen("anna"), seen("ben", 0.6)]
            store.put_photo(path, stamp(name), digest(name), 4000, 3000, "2024", faces, "test 1")
        grouped(store, {1: [1, 3], 2: [2, 4]})
        yield store


# Reading ------------------------------------------------------------------------------------------------------------


def test_digikam_and_microsoft():
    found = regions.read(DIGIKAM.encode())
    assert {name for name, _ in found.regions} == {"Anna"}
    assert all(near(box, BOX) for _, box in found.regions)
    assert (found.size, found.orientation) == ((4000, 3000), 1)


def test_lightroom_with_other_prefixes_and_elements():
    found = regions.read(LIGHTROOM.encode())
    ((name, box),) = found.regions
    assert name == "Anna & Co"
    assert near(box, BOX)
    assert found.size == (4000, 3000)


def test_pixels_and_boxes_over_the_edge():
    pixels = LIGHTROOM.replace(
        "<a:x>0.175</a:x><a:y>0.325</a:y><a:w>0.15</a:w><a:h>0.25</a:h>",
        "<a:x>100</a:x><a:y>975</a:y><a:w>600</a:w><a:h>750</a:h><a:unit>pixel</a:unit>",
    )
    ((_, box),) = regions.read(pixels.encode()).regions
    assert near(box, Box(0.0, 0.2, 0.1, 0.25))


@pytest.mark.parametrize(
    ("found", "other"),
    [
        ("0.15", "nan"),
        ("0.15", "inf"),
        ("0.15", "-1"),
        ("0.175", "7"),
        ("0.15", ""),
        ("0.15", "1e999"),
        ("0.15", "x" * 5000),
    ],
)
def test_numbers_that_are_none_are_no_box(found, other):
    assert regions.read(LIGHTROOM.replace(f">{found}<", f">{other}<").encode()).regions == ()


def test_a_sidecar_that_breaks_off_gives_what_came_before():
    assert len(regions.read(LIGHTROOM.encode()[: LIGHTROOM.index("</rdf:Bag>")]).regions) == 1


def bomb():
    entities = "".join(f'<!ENTITY a{i} "{f"&a{i - 1};" * 10}">' for i in range(1, 20))
    return f'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a0 "ha">{entities}]><x>&a19;</x>'


HOSTILE = {
    "billion laughs": bomb(),
    "file": '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>' + LIGHTROOM.replace("Anna &amp; Co", "&a;"),
    "network": '<!DOCTYPE x SYSTEM "http://127.0.0.1:9/x.dtd">' + LIGHTROOM,
    "deep": "<a>" * 300_000,
    "many": "<a>" + "<b/>" * 200_000,
    "attributes": "<a " + " ".join(f'x{i}="y"' for i in range(50_000)) + "/>",
    "namespaces": "<a " + " ".join(f'xmlns:x{i}="u{i}"' for i in range(20_000)) + "/>",
    "long text": LIGHTROOM.replace("Anna &amp; Co", "A" * 900_000),
    "long name": "<" + "a" * 900_000 + "/>",
    "regions": LIGHTROOM.replace("<rdf:Bag>", "<rdf:Bag>" + "<rdf:li/>" * 15_000),
    "encoding": '<?xml version="1.0" encoding="no-such"?>' + LIGHTROOM,
    "utf-7": '<?xml version="1.0" encoding="utf-7"?>' + LIGHTROOM,
    "nul": LIGHTROOM.replace("Anna", "A\0nna"),
    "empty": "",
    "prefix": "<x:a/>",
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_xml_is_read_in_bounded_time_and_memory_or_not_at_all(kind):
    data = HOSTILE[kind].encode()
    tracemalloc.start()
    before = time.process_time()
    found = regions.read(data)
    seconds, (_, peak) = time.process_time() - before, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert seconds < 3
    assert peak < 40_000_000
    assert len(found.regions) <= 128
    assert not any("root:" in name for name, _ in found.regions)
    if kind in {"billion laughs", "file", "network"}:
        assert found.regions == ()


@given(st.binary(max_size=500))
def test_any_bytes_are_read(data):
    regions.read(data)
    regions.read(DIGIKAM.encode()[:700] + data + DIGIKAM.encode()[700:])


# Turning ------------------------------------------------------------------------------------------------------------

FRACTION = st.floats(0.01, 0.45)


@given(FRACTION, FRACTION, FRACTION, FRACTION, st.integers(1, 8))
def test_what_is_written_is_read_back_however_the_photo_is_turned(x, y, w, h, orientation):
    box = Box(x, y, w, h)
    sidecar = regions.read(regions.write([(NAME, box)], 4000, 3000, orientation))
    ((name, found),) = regions.upright(sidecar, 4000, 3000, orientation)
    assert name == NAME
    assert found.overlap(box) > 0.99


@pytest.mark.parametrize("orientation", range(1, 9))
def test_turning_is_as_pillow_turns_pixels(orientation):
    from PIL import Image, ImageOps

    picture = Image.new("L", (40, 20))
    picture.paste(255, (4, 2, 12, 6))
    exif = picture.getexif()
    exif[0x0112] = orientation
    picture.info["exif"] = exif.tobytes()
    shown = ImageOps.exif_transpose(picture)
    left, top, right, bottom = shown.getbbox()
    expected = Box(left / shown.width, top / shown.height, (right - left) / shown.width, (bottom - top) / shown.height)
    assert near(regions.turned(Box(0.1, 0.1, 0.2, 0.2), orientation), expected)


def test_regions_of_the_picture_as_it_is_shown_are_understood_by_their_size():
    shown = DIGIKAM.replace('w="4000" stDim:h="3000"', 'w="3000" stDim:h="4000"').replace(
        "tiff:Orientation", "tiff:Other"
    )
    found = regions.upright(regions.read(shown.encode()), 3000, 4000, 6)
    assert all(near(box, BOX) for _, box in found)
    stored = regions.upright(regions.read(DIGIKAM.replace("tiff:Orientation", "tiff:Other").encode()), 3000, 4000, 6)
    assert all(near(box, regions.turned(BOX, 6)) for _, box in stored)


def test_regions_of_a_picture_that_was_cropped_since_are_not_used():
    assert regions.upright(regions.read(DIGIKAM.encode()), 3000, 3000, 1) is None


# Export -------------------------------------------------------------------------------------------------------------


def test_export_mirrors_the_folder_and_has_names_and_boxes_alone(store, photos, tmp_path):
    decisions(store).name(1, NAME)
    report = xmp.export(store, tmp_path / "out", [str(photos)])
    assert (report.files, report.regions, report.skipped) == (2, 2, {})
    assert sorted(str(p.relative_to(tmp_path / "out")) for p in (tmp_path / "out").rglob("*.xmp")) == [
        "a.jpg.xmp",
        "sub/b.jpg.xmp",
    ]
    data = (tmp_path / "out" / "a.jpg.xmp").read_bytes()
    (region,) = ET.fromstring(data.decode().lstrip("\ufeff")).iter(f"{RDF}li")
    description = region.find(f"{RDF}Description")
    assert description.get(f"{MWG}Name") == NAME
    assert description.get(f"{MWG}Type") == "Face"
    area = description.find(f"{MWG}Area")
    assert [float(area.get(f"{AREA}{key}")) for key in "xywh"] == pytest.approx([0.175, 0.325, 0.15, 0.25])
    assert len(data) < 1500, "no room for a vector"
    assert (tmp_path / "out" / "a.jpg.xmp").stat().st_mode & 0o077 == 0


def test_who_is_hidden_or_has_no_name_is_not_exported(store, photos, tmp_path):
    decisions(store).name(1, "Anna")
    decisions(store).hide(1)
    assert xmp.export(store, tmp_path / "out", [str(photos)]).files == 0
    assert not (tmp_path / "out").exists()


def test_exporting_again_replaces_ours_and_never_anothers(store, photos, tmp_path):
    decide = decisions(store)
    decide.name(1, "Anna")
    out = tmp_path / "out"
    xmp.export(store, out, [str(photos)])
    (out / "a.jpg.xmp").write_text(DIGIKAM)
    decide.name(1, "Anne")
    report = xmp.export(store, out, [str(photos)])
    assert (report.files, report.skipped) == (1, {"a sidecar of another program is there": 1})
    assert (out / "a.jpg.xmp").read_text() == DIGIKAM
    assert "Anne" in (out / "sub" / "b.jpg.xmp").read_text()
    assert [p for p in out.rglob("*") if p.name.endswith(".tmp")] == []


def test_a_link_in_place_of_a_sidecar_is_not_written_through(store, photos, tmp_path):
    decisions(store).name(1, "Anna")
    out, victim = tmp_path / "out", tmp_path / "victim"
    out.mkdir()
    victim.write_text("mine")
    (out / "a.jpg.xmp").symlink_to(victim)
    assert xmp.export(store, out, [str(photos)]).skipped == {"something else has its name": 1}
    assert victim.read_text() == "mine"


def test_export_into_the_photos_is_refused(store, photos, tmp_path):
    (tmp_path / "link").symlink_to(photos)
    for folder in (photos, photos / "names", tmp_path / "link" / "x"):
        with pytest.raises(UsageError):
            xmp.export(store, folder, [str(photos)])


def test_nothing_is_written_among_the_photos_whatever_leads_there(store, photos, tmp_path):
    decisions(store).name(1, "Anna")
    away = tmp_path / "other"
    report = xmp.export(store, photos.parent, [str(photos), str(away)])  # each below its own name: there is the first
    assert (report.files, report.skipped) == (0, {"its place is in a folder where faces are looked for": 2})
    (tmp_path / "out").mkdir()
    photos.joinpath("sub").mkdir(exist_ok=True)
    (tmp_path / "out" / "sub").symlink_to(photos / "sub")
    assert xmp.export(store, tmp_path / "out", [str(photos)]).files == 1
    assert list(photos.rglob("*.xmp")) == []


def test_a_sidecar_that_comes_meanwhile_is_not_replaced(store, photos, tmp_path, monkeypatch):
    decisions(store).name(1, "Anna")
    write = xmp.write_all

    def meanwhile(fd, data):
        write(fd, data)
        (tmp_path / "out" / "a.jpg.xmp").write_text(DIGIKAM)

    monkeypatch.setattr(xmp, "write_all", meanwhile)
    report = xmp.export(store, tmp_path / "out", [str(photos)])
    assert (report.files, report.skipped) == (1, {"it could not be written: File exists": 1})
    assert (tmp_path / "out" / "a.jpg.xmp").read_text() == DIGIKAM
    assert [p for p in (tmp_path / "out").rglob("*") if p.name.endswith(".tmp")] == []


@pytest.mark.parametrize("more", ["<a>" * 80 + "</a>" * 80, "<a>" + "x" * 70_000 + "</a>"], ids=["depth", "text"])
def test_what_comes_before_a_bound_counts_and_nothing_after_it(more):
    assert [name for name, _ in regions.read(DIGIKAM.encode()).regions] == ["Anna"]
    before, end = DIGIKAM.split("   <MP:RegionInfo")
    first = (before + more + "   <MP:RegionInfo" + end).replace('PersonDisplayName="Anna"', 'PersonDisplayName="Ben"')
    assert [name for name, _ in regions.read(first.encode()).regions] == ["Anna"]
    assert [name for name, _ in regions.read(first.replace(more, "").encode()).regions] == ["Anna", "Ben"]


def test_several_folders_are_mirrored_below_their_names(store, photos, tmp_path):
    path = tmp_path / "other" / "photos"
    store.put_photo(os.fsencode(path / "c.jpg"), stamp("c"), digest("c"), 4000, 3000, "", [seen("anna")], "test 1")
    grouped(store, {1: [1, 3, 5], 2: [2, 4]})
    decisions(store).name(1, "Anna")
    scope = [str(photos), str(path)]
    assert xmp.export(store, tmp_path / "out", scope).files == 3
    found = sorted(str(p.relative_to(tmp_path / "out")) for p in (tmp_path / "out").rglob("*.xmp"))
    assert found == ["photos/a.jpg.xmp", "photos/sub/b.jpg.xmp", "photos~2/c.jpg.xmp"]
    decisions(store).name(1, "")
    assert xmp.import_(store, decisions(store), tmp_path / "out", scope).named == 3


def test_a_full_disk_is_said_and_leaves_no_half_file(store, photos, tmp_path, monkeypatch):
    import errno

    decisions(store).name(1, "Anna")

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(xmp, "write_all", full)
    with pytest.raises(RefusedError, match="no space"):
        xmp.export(store, tmp_path / "out", [str(photos)])
    assert [p for p in (tmp_path / "out").rglob("*") if p.is_file()] == []


# Import -------------------------------------------------------------------------------------------------------------


def test_what_was_exported_comes_back(store, photos, tmp_path):
    decide = decisions(store)
    decide.name(1, NAME)
    xmp.export(store, tmp_path / "out", [str(photos)])
    decide.undo()
    assert store.names() == {}
    report = xmp.import_(store, decide, tmp_path / "out", [str(photos)])
    assert (report.files, report.regions, report.named, report.unmatched, report.skipped) == (2, 2, 2, 0, {})
    assert store.names() == {1: NAME}
    assert [face.confirmed for face in store.person(1).faces] == [True, True]
    decide.undo()
    assert store.names() == {}


@pytest.mark.parametrize("name", ["a.jpg.xmp", "a.xmp", "a.jpg.XMP"])
def test_sidecars_beside_the_photos_are_read(store, photos, name):
    (photos / name).write_text(DIGIKAM)
    report = xmp.import_(store, decisions(store), photos, [str(photos)])
    assert (report.files, report.regions, report.named) == (1, 1, 1)
    assert store.names() == {1: "Anna"}


def test_a_region_without_a_face_becomes_one_by_hand(store, photos):
    (photos / "a.jpg.xmp").write_text(DIGIKAM.replace('x="0.175"', 'x="0.9"').replace('"0.1, 0.2', '"0.825, 0.2'))
    report = xmp.import_(store, decisions(store), photos, [str(photos)])
    assert (report.named, report.unmatched) == (1, 1)
    (anna,) = [one for one in store.people() if one.name]
    assert anna.count == 1
    assert store.digests_of(anna.id) == {digest("a.jpg")}


def test_what_is_confirmed_here_and_names_that_cannot_be_used_are_counted(store, photos):
    decisions(store).name(1, "Berta")
    (photos / "a.jpg.xmp").write_text(DIGIKAM)
    (photos / "sub" / "b.jpg.xmp").write_text(DIGIKAM.replace("Anna", "p7"))
    report = xmp.import_(store, decisions(store), photos, [str(photos)])
    assert (report.files, report.named) == (2, 0)
    assert report.skipped == {"it is confirmed here as somebody else": 1, "its name cannot be used": 1}
    assert store.names() == {1: "Berta"}


def test_only_those_who_agreed_are_named(store, photos):
    (photos / "a.jpg.xmp").write_text(DIGIKAM)
    report = xmp.import_(store, decisions(store), photos, [str(photos)], allowed=lambda name: name != "Anna")
    assert (report.named, report.skipped) == (0, {"that person has not agreed": 1})
    assert store.names() == {}


def test_links_pipes_and_folders_are_no_sidecars(store, photos, tmp_path):
    (tmp_path / "real.xmp").write_text(DIGIKAM)
    (photos / "a.jpg.xmp").symlink_to(tmp_path / "real.xmp")
    (photos / "a.xmp").mkdir()
    os.mkfifo(photos / "sub" / "b.jpg.xmp")
    assert xmp.import_(store, decisions(store), photos, [str(photos)]).files == 0


def test_no_report_tells_a_name(store, photos, tmp_path):
    decisions(store).name(1, "Annegret")
    report = xmp.export(store, tmp_path / "out", [str(photos)])
    assert "Annegret" not in repr(report)


def test_a_turned_photo_is_exported_as_it_is_stored(store, photos, tmp_path):
    put_path = os.fsencode(photos / "turned.jpg")
    store.put_photo(put_path, stamp("t"), digest("t"), 3000, 4000, "", [seen("anna")], "test 1", orientation=6)
    grouped(store, {1: [1, 3, 5], 2: [2, 4]})
    decisions(store).name(1, "Anna")
    xmp.export(store, tmp_path / "out", [str(photos)])
    found = regions.read((tmp_path / "out" / "turned.jpg.xmp").read_bytes())
    assert found.size == (4000, 3000)
    assert near(found.regions[0][1], regions.turned(BOX, 8))
