"""Splitting: a valid cover for any bytes, and after an edit of metadata nearly all parts are stored already."""

from __future__ import annotations

import io
import random
import struct
from itertools import accumulate, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from photovault.photos.split import PART_MAX, split
from photovault.photos.tiff import directories
from photovault.photos.window import Window

KIB = 1024


def noise(length: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(length)


def parts(data: bytes) -> list[bytes]:
    """The parts of ``data``, checked to be a cover."""
    lengths = split(lambda offset, length: data[offset : offset + length], len(data))
    assert sum(lengths) == len(data)
    assert all(1 <= length <= PART_MAX for length in lengths)
    return [data[start:stop] for start, stop in pairwise(accumulate(lengths, initial=0))]


def stored_again(old: bytes, new: bytes) -> int:
    """Bytes of the parts of ``new`` that ``old`` does not have."""
    assert old != new
    known = set(parts(old))
    return sum(len(part) for part in parts(new) if part not in known)


# Makers of small real files -----------------------------------------------------------------------------------------


def picture(side: int = 360) -> Image.Image:
    return Image.frombytes("RGB", (side, side), noise(side * side * 3))


def saved(form: str, **options: object) -> bytes:
    out = io.BytesIO()
    picture().save(out, form, **options)
    return out.getvalue()


def segment(code: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, code, len(body) + 2) + body


def with_segments(jpeg: bytes, *segments: bytes) -> bytes:
    """``jpeg`` with the segments right after SOI, where tools put Exif, XMP and IPTC."""
    return jpeg[:2] + b"".join(segments) + jpeg[2:]


def exif(length: int) -> bytes:
    return segment(0xE1, b"Exif\0\0" + noise(length, length))


def xmp(text: bytes) -> bytes:
    return segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + text)


def box(kind: bytes, *bodies: bytes) -> bytes:
    body = b"".join(bodies)
    return struct.pack(">I4s", len(body) + 8, kind) + body


FTYP = box(b"ftyp", b"heic\0\0\0\0mif1heic")


def heic(items: list[tuple[bytes, bytes]], *, version: int = 0, wide: bool = False, idat: bytes = b"") -> bytes:
    """A HEIC whose mdat holds ``items`` (type, bytes) one after the other; those without a type are in no table."""
    number = ">I" if version == 2 else ">H"
    listed = [kind for kind, _ in items if kind]
    infe = [box(b"infe", b"\2\0\0\0", struct.pack(">HH4s", index, 0, kind), b"\0") for index, kind in enumerate(listed)]
    iinf = box(b"iinf", b"\0" * 4, struct.pack(">H", len(listed)), *infe)

    def meta(at: int) -> bytes:
        rows: list[bytes] = []
        for kind, body in items:
            row = struct.pack(number, len(rows)) + (b"\0\0" if version else b"") + b"\0\0"
            rows += [row + struct.pack(">HQQ" if wide else ">HII", 1, at, len(body))] if kind else []
            at += len(body)
        sizes = b"\x88\0" if wide else b"\x44\0"
        iloc = box(b"iloc", bytes([version, 0, 0, 0]), sizes, struct.pack(number, len(listed)), *rows)
        return box(b"meta", b"\0" * 4, iinf, iloc, *([box(b"idat", idat)] if idat else []))

    start = len(FTYP) + len(meta(0)) + 8
    return FTYP + meta(start) + box(b"mdat", *(body for _, body in items))


class Tiff:
    """A TIFF written front to back: what ``put`` gets, at the offset it returns, and directories of long values."""

    def __init__(self, order: str = "<", *, wide: bool = False, magic: bytes = b"") -> None:
        self.order, self.wide = order, wide
        mark = b"II" if order == "<" else b"MM"
        version = struct.pack(order + ("HHHQ" if wide else "HI"), *((43, 8, 0, 0) if wide else (42, 0)))
        self.data = bytearray((magic or mark + version[:2]) + version[2:])
        self.link = len(self.data) - (8 if wide else 4)

    def put(self, body: bytes) -> int:
        self.data += body + b"\0" * (len(body) % 2)
        return len(self.data) - len(body) - len(body) % 2

    def table(self, numbers: list[int]) -> bytes:
        return struct.pack(f"{self.order}{len(numbers)}{'Q' if self.wide else 'I'}", *numbers)

    def directory(self, tags: dict[int, list[int] | bytes], *, chained: bool = True) -> int:
        rows = b""
        for tag, value in sorted(tags.items()):
            body = value if isinstance(value, bytes) else self.table(value)
            kind = 7 if isinstance(value, bytes) else 16 if self.wide else 4
            field = 8 if self.wide else 4
            inline = body.ljust(field, b"\0") if len(body) <= field else self.table([self.put(body)])
            rows += struct.pack(self.order + ("HHQ" if self.wide else "HHI"), tag, kind, len(value)) + inline
        at = self.put(struct.pack(self.order + ("Q" if self.wide else "H"), len(tags)) + rows + self.table([0]))
        if chained:
            self.data[self.link : self.link + len(self.table([at]))] = self.table([at])
            self.link = len(self.data) - len(self.table([0]))
        return at


STRIPS = [noise(70_001 + 900 * index, index) for index in range(6)]


NOTE = noise(30_000, 52)


def camera_raw(
    title: bytes, order: str = "<", *, wide: bool = False, strips: list[bytes] = STRIPS, note: bytes = NOTE
) -> bytes:
    """A RAW file as DNG, NEF and ARW are built: preview, strips in a SubIFD, Exif with a MakerNote, thumbnail."""
    tiff = Tiff(order, wide=wide)
    tiff.put(title)
    preview, thumbnail = noise(150_000, 50), noise(12_000, 51)
    exif_at = tiff.directory({0x9003: b"2021:05:04 13:22:11\0", 0x927C: note}, chained=False)
    places = [tiff.put(strip) for strip in strips]
    sub = tiff.directory({0x111: places, 0x117: [len(strip) for strip in strips]}, chained=False)
    first: dict[int, list[int] | bytes] = {
        0x10E: title,
        0x14A: [sub],
        0x8769: [exif_at],
        0x201: [tiff.put(preview)],
        0x202: [len(preview)],
    }
    tiff.directory(first)
    tiff.directory({0x201: [tiff.put(thumbnail)], 0x202: [len(thumbnail)]})
    return bytes(tiff.data)


# The cover ----------------------------------------------------------------------------------------------------------


def unread(_offset: int, _length: int) -> bytes:
    pytest.fail("a small file needs no look inside")


def test_an_empty_file_has_no_parts() -> None:
    assert split(unread, 0) == []


def test_a_small_file_is_one_part_and_is_not_read() -> None:
    assert split(unread, 16 * KIB) == [16 * KIB]


def test_an_unknown_file_is_cut_in_fixed_pieces() -> None:
    size = 2 * PART_MAX + 5
    assert split(lambda _, length: b"x" * length, size) == [PART_MAX, PART_MAX, 5]


def test_a_file_that_shrank_still_gets_a_cover() -> None:
    jpeg = saved("JPEG", quality=95)
    assert sum(split(lambda offset, length: jpeg[offset : offset + min(length, 100)], len(jpeg))) == len(jpeg)


def test_an_error_of_the_disk_is_passed_on() -> None:
    def broken(_offset: int, _length: int) -> bytes:
        raise OSError(5, "Input/output error")

    with pytest.raises(OSError, match="Input/output"):
        split(broken, 100 * KIB)


# Edits of metadata, one per format ----------------------------------------------------------------------------------


def test_jpeg_new_exif_keeps_the_image() -> None:
    jpeg = saved("JPEG", quality=95)
    old, new = with_segments(jpeg, exif(3000)), with_segments(jpeg, exif(5321))
    assert parts(old)[-1] == parts(new)[-1]
    assert stored_again(old, new) < 6200


def test_jpeg_new_xmp_keeps_a_large_exif() -> None:
    jpeg = saved("JPEG", quality=95)
    old, new = (with_segments(jpeg, exif(40_000), xmp(noise(length))) for length in (2000, 3000))
    assert stored_again(old, new) < 4 * KIB


def test_jpeg_a_comment_between_the_tables_keeps_the_image() -> None:
    jpeg = saved("JPEG", quality=95)
    at = jpeg.index(b"\xff\xc4")
    new = jpeg[:at] + b"\xff\xff" + segment(0xFE, b"a walk in the hills") + jpeg[at:]
    assert stored_again(jpeg, new) < KIB


def test_jpeg_with_a_head_of_many_segments_is_cut_behind_it() -> None:
    jpeg = saved("JPEG", quality=95)
    extended = [segment(0xE1, b"http://ns.adobe.com/xmp/extension/\0" + noise(65_000, seed)) for seed in range(6)]
    old, new = (with_segments(jpeg, exif(length), *extended) for length in (2000, 9000))
    assert stored_again(old, new) < 10 * KIB


@pytest.mark.parametrize(
    "form",
    [
        b'<rdf:Description GCamera:MicroVideo="1" GCamera:MicroVideoOffset="%d"/>',
        b"<GCamera:MicroVideo>1</GCamera:MicroVideo><GCamera:MicroVideoOffset>%d</GCamera:MicroVideoOffset>",
        b'<Container:Item Item:Length="77"/><Container:Item Item:Semantic="MotionPhoto" Item:Length="%d"/>',
    ],
)
def test_jpeg_motion_photo_shares_the_still_with_its_export(form: bytes) -> None:
    jpeg = saved("JPEG", quality=95)
    video = box(b"ftyp", b"mp42") + box(b"mdat", noise(90_000))
    motion = with_segments(jpeg, xmp(form % len(video))) + video
    assert video in parts(motion)
    assert stored_again(motion, jpeg) < KIB


def test_jpeg_motion_photo_with_a_wrong_length_is_not_cut_there() -> None:
    jpeg = saved("JPEG", quality=95)
    motion = with_segments(jpeg, xmp(b'GCamera:MicroVideoOffset="50000"')) + noise(90_000)
    assert len(parts(motion)) == 2


def movie(title: bytes, *, front: bool, header: bytes = b"") -> bytes:
    payload = noise(PART_MAX + 90_000)
    mdat = (header or struct.pack(">I4s", len(payload) + 8, b"mdat")) + payload
    moov = box(b"moov", box(b"udta", title))
    return box(b"ftyp", b"isom") + (moov + mdat if front else mdat + moov)


@pytest.mark.parametrize("front", [True, False])
def test_mp4_new_title_keeps_the_media(front: bool) -> None:
    old, new = movie(b"a", front=front), movie(b"a longer title" * 99, front=front)
    assert stored_again(old, new) < 2 * KIB


def test_mp4_mdat_may_have_a_64_bit_length_or_reach_to_the_end() -> None:
    payload = PART_MAX + 90_000
    for header in (struct.pack(">I4sQ", 1, b"mdat", payload + 16), struct.pack(">I4s", 0, b"mdat")):
        assert parts(movie(b"a", front=True, header=header))[-1] == noise(payload)[PART_MAX:]


def test_a_movie_that_ends_too_early_is_cut_at_its_media() -> None:
    assert parts(movie(b"a", front=True)[:-5000])[1] == noise(PART_MAX + 90_000)[:PART_MAX]


TILES = [(b"hvc1", noise(5_000 + 7_000 * (index % 5), index)) for index in range(48)]


@pytest.mark.parametrize(("version", "wide"), [(0, False), (1, False), (2, False), (1, True)])
def test_heic_new_exif_keeps_the_tiles(version: int, wide: bool) -> None:
    old, new = (
        heic([*TILES[:10], (b"Exif", noise(length)), *TILES[10:]], version=version, wide=wide)
        for length in (2000, 6000)
    )
    assert stored_again(old, new) < 9 * KIB
    assert len(parts(new)) <= len(new) // (64 * KIB) + 16


def test_heic_an_item_added_in_front_keeps_the_tiles() -> None:
    assert stored_again(heic(TILES), heic([(b"mime", b"<x:xmpmeta/>"), *TILES])) < 5 * KIB


def test_heic_sequence_frames_that_no_item_names_stay_one_part() -> None:
    frames = noise(300_000, 77)
    old, new = (heic([(b"mime", noise(length)), (b"", frames), *TILES]) for length in (100, 2000))
    assert stored_again(old, new) < 8 * KIB


def test_heic_items_in_idat_and_broken_tables_still_give_a_cover() -> None:
    assert parts(heic(TILES, idat=noise(20_000)))
    broken = heic(TILES).replace(b"iloc\0\0\0\0\x44", b"iloc\0\0\0\0\x45")
    assert noise(5_000, 0) in parts(broken)[1][:5_000]


def test_quicktime_meta_box_does_not_hide_the_media() -> None:
    payload = noise(100_000)
    old, new = (
        box(b"ftyp", b"qt  ") + box(b"meta", text) + box(b"mdat", payload) for text in (b"\0" * 9, b"\xff" * 99)
    )
    assert parts(old)[-1] == parts(new)[-1] == payload


@pytest.mark.parametrize(("order", "wide"), [("<", False), (">", False), ("<", True), (">", True)])
def test_raw_new_title_keeps_strips_previews_and_makernote(order: str, wide: bool) -> None:
    old, new = (camera_raw(title, order, wide=wide) for title in (b"a", b"a longer title" * 30))
    assert stored_again(old, new) < 3 * KIB
    assert set(STRIPS) < set(parts(new))


def test_tiff_of_many_small_strips_has_few_parts_and_keeps_them() -> None:
    strips = [noise(700, index) for index in range(2000)]
    old, new = (camera_raw(title, strips=strips) for title in (b"a", b"a longer title" * 30))
    assert len(parts(new)) <= len(new) // (64 * KIB) + 16
    assert stored_again(old, new) < 8 * KIB + 2 * 4 * len(strips)


def test_tiff_of_many_strips_with_pads_between_keeps_them_when_a_block_before_them_grows() -> None:
    strips = [noise(8200 + index * 37 % 300, index) for index in range(500)]
    old, new = (camera_raw(b"a", strips=strips, note=noise(length, 52)) for length in (30_000, 51_000))
    assert len(parts(new)) <= len(new) // (64 * KIB) + 16
    assert stored_again(old, new) < 51_000 + 8 * KIB + 2 * 4 * len(strips)


def test_tiff_of_scattered_strips_has_few_parts() -> None:
    strips = [noise(3000, index) + b"\0" * 9000 for index in range(200)]
    data = camera_raw(b"a", strips=strips).replace(struct.pack("<I", 12_000), struct.pack("<I", 3_000))
    assert len(parts(data)) <= len(data) // (64 * KIB) + 16


def test_tiff_by_pillow() -> None:
    old, new = (saved("TIFF", description=text) for text in ("a", "a longer description" * 20))
    assert stored_again(old, new) < KIB


def test_a_tiff_whose_directories_form_a_loop_ends() -> None:
    tiff = Tiff()
    at = tiff.directory({0x8769: [8]})
    tiff.data[tiff.link : tiff.link + 4] = tiff.table([at])
    assert parts(bytes(tiff.data) + noise(100_000))


def rw2(title: bytes) -> bytes:
    preview = with_segments(saved("JPEG", quality=95), exif(len(title) + 1000))

    def front(sensor_at: int) -> bytes:
        tiff = Tiff(magic=b"IIU\0")
        tiff.directory({0x2E: preview, 0x118: [sensor_at], 0x10E: title})
        return bytes(tiff.data)

    return front(len(front(0))) + noise(100_000, 60)


def test_rw2_new_exif_in_the_preview_keeps_preview_and_sensor_data() -> None:
    assert stored_again(rw2(b"a"), rw2(b"a longer title" * 30)) < 4 * KIB


def raf(length: int) -> bytes:
    preview = with_segments(saved("JPEG", quality=95), exif(length))
    places, at = [], 160
    for body in (preview, noise(9_000, 61), noise(200_000, 62)):
        places += [at, len(body)]
        at += len(body)
    head = b"FUJIFILMCCD-RAW 0201".ljust(84, b"\0") + struct.pack(">6I", *places)
    return head.ljust(160, b"\0") + preview + noise(9_000, 61) + noise(200_000, 62)


def test_raf_new_exif_in_the_preview_keeps_preview_and_sensor_data() -> None:
    assert stored_again(raf(1000), raf(4000)) < 6 * KIB


def png(title: str) -> bytes:
    text = PngImagePlugin.PngInfo()
    text.add_text("Title", title)
    return saved("PNG", pnginfo=text)


def test_png_new_title_keeps_the_image() -> None:
    assert stored_again(png("a"), png("a longer title" * 20)) < KIB


def test_png_new_text_behind_the_image_keeps_it() -> None:
    old = png("a")
    text = b"Comment\0a walk in the hills"
    new = old[:-12] + struct.pack(">I", len(text)) + b"tEXt" + text + b"\0\0\0\0" + old[-12:]
    assert stored_again(old, new) < KIB


def test_webp_new_exif_keeps_the_image() -> None:
    old, new = (saved("WEBP", lossless=True, exif=b"Exif\0\0" + noise(length)) for length in (500, 2001))
    assert stored_again(old, new) < 3 * KIB


def test_jpeg_xl_new_xmp_keeps_the_image() -> None:
    head = box(b"JXL ", b"\r\n\x87\n") + box(b"ftyp", b"jxl \0\0\0\0jxl ")
    old, new = (head + box(b"xml ", noise(length)) + box(b"jxlc", noise(100_000)) for length in (500, 2000))
    assert stored_again(old, new) < 3 * KIB


# Any bytes ----------------------------------------------------------------------------------------------------------

STARTS = [
    b"\xff\xd8\xff\xe1",
    b"II*\0\x08\0\0\0\xff\0",
    b"MM\0*\0\0\0\x08",
    b"II+\0\x08\0\0\0\x10\0\0\0\0\0\0\0",
    b"IIU\0\x08\0\0\0",
    FTYP,
    FTYP + b"\0\0\x40\0meta\0\0\0\0\0\0\1\0iloc",
    b"\0\0\0\0mdat",
    b"\0\0\0\x0cJXL \r\n\x87\n",
    b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
    b"RIFF\0\0\0\0WEBP",
    b"FUJIFILMCCD-RAW ",
]
REAL = [
    with_segments(saved("JPEG", quality=90), exif(9000), xmp(b'MicroVideoOffset="9000"')),
    camera_raw(b"title", strips=STRIPS[:2]),
    camera_raw(b"title", ">", wide=True, strips=[noise(900, seed) for seed in range(99)]),
    heic(TILES[:12], version=1),
    movie(b"title", front=True)[: 64 * KIB],
    png("title"),
    saved("WEBP", exif=b"Exif\0\0" + noise(500)),
    raf(900),
]


def check_any(data: bytes) -> None:
    """Cover, few parts, few reads within the file, and the same answer twice."""
    asked: list[int] = []

    def read_at(offset: int, length: int) -> bytes:
        assert 0 <= offset < len(data)
        asked.append(length)
        return data[offset : offset + length]

    lengths = split(read_at, len(data))
    assert len(asked) <= 64
    assert sum(asked) <= 8 * KIB * KIB
    assert b"".join(parts(data)) == data
    assert [len(part) for part in parts(data)] == lengths
    assert len(lengths) <= len(data) // (64 * KIB) + 16


@given(start=st.sampled_from(STARTS), middle=st.binary(max_size=600), length=st.integers(0, 200 * KIB))
def test_any_bytes_give_a_cover(start: bytes, middle: bytes, length: int) -> None:
    check_any((start + middle).ljust(length, middle[-1:] or b"\0"))


@settings(deadline=None)
@given(
    data=st.sampled_from(REAL),
    cut=st.floats(0, 1),
    changes=st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=8)), max_size=8),
)
def test_damaged_files_give_a_cover(data: bytes, cut: float, changes: list[tuple[float, bytes]]) -> None:
    damaged = bytearray(data)
    for where, new in changes:
        at = int(where**4 * len(data))  # mostly at the front, where the tables are
        damaged[at : at + len(new)] = new
    check_any(bytes(damaged[: len(data) - int(cut**4 * len(data))]))


def strips_at(places: list[int], length: int) -> bytes:
    tiff = Tiff()
    tiff.directory({0x111: places, 0x117: [length] * len(places)})
    return bytes(tiff.data) + noise(1_000_000)


def test_strips_that_overlap_give_fixed_parts() -> None:
    assert len(parts(strips_at(list(range(9_000, 900_000, 9_000)), 9_500))) == 1


def test_a_jpeg_is_not_cut_behind_something_that_is_no_segment() -> None:
    no_segment = b"\0" + segment(0xE1, noise(20_000))[1:]
    assert len(parts(b"\xff\xd8" + segment(0xE1, b"ab") + no_segment + segment(0xDA, b"") + noise(100_000))) == 2


def test_tables_that_repeat_one_another_do_not_take_long() -> None:
    tiff = Tiff()
    many = tiff.put(tiff.table([8, 50_000] * 7_000))
    sub = (
        struct.pack("<H", 2)
        + struct.pack("<HHII", 0x111, 4, 14_000, many)
        + struct.pack("<HHII", 0x117, 4, 14_000, many)
    )
    places = [tiff.put(sub + b"\0\0\0\0") for _ in range(30)]
    tiff.directory({0x14A: places})
    check_any(bytes(tiff.data) + noise(100_000))


def test_a_file_of_many_chunks_is_not_read_at_each() -> None:
    check_any(b"RIFF\0\0\0\0AVI " + (b"00dc" + struct.pack("<I", 70_000) + bytes(70_000)) * 100)


def test_large_tables_are_not_read_again_and_again() -> None:
    tiff = Tiff()
    tables = [tiff.put(tiff.table([0] * 200_000)) for _ in range(2)]
    for index in range(30):
        at = tiff.directory({0x117: [9]})
        row = struct.pack("<HHII", 0x111, 4, 200_000, tables[index % 2])
        tiff.data[at:] = struct.pack("<H", 2) + row + tiff.data[at + 2 :]
        tiff.link = len(tiff.data) - 4
    check_any(bytes(tiff.data))


def test_a_chain_of_many_directories_is_followed_for_32() -> None:
    tiff = Tiff()
    for _ in range(100):
        tiff.directory({})
    data = bytes(tiff.data)
    assert len(list(directories(Window(lambda offset, length: data[offset : offset + length], len(data))))) == 32
