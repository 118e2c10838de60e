"""Archives that are broken or made to harm cost themselves and nothing else."""

from __future__ import annotations

import io
import os
import struct
import tarfile
import tracemalloc
import zipfile
import zlib
from contextlib import closing, suppress
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from photovault.errors import DamageError, UsageError
from photovault.importing.archives import TarPart, ZipPart, open_parts
from photovault.importing.disk import FilesPart, FolderPart
from tests.importing.some import tarred, unpacked, zipped

if TYPE_CHECKING:
    from pathlib import Path

    from photovault.importing.values import Part

FILES = {"A/one.jpg": b"1" * 100, "A/two.jpg": b"", "B/drei ü.jpg": b"3" * 200_000}


def contents(part: Part) -> dict[bytes, bytes]:
    found = {}
    with closing(part):
        for member, opening in part.walk():
            with opening() as stream:
                data = b"".join(iter(lambda: stream.read(7000), b""))
            found[member.folder.rpartition(b"/")[2] + b"/" + member.name] = data
    return found


@pytest.mark.parametrize("make", [zipped, tarred, unpacked])
def test_every_kind_of_part_gives_the_same_files_as_often_as_asked(tmp_path: Path, make) -> None:
    (part,) = open_parts([str(make(tmp_path / "takeout.any", FILES))])
    expected = {name.encode(): data for name, data in FILES.items()}
    assert contents(part) == contents(part) == expected
    assert part.problems == []


def test_a_folder_of_downloads_brings_its_archives(tmp_path: Path) -> None:
    zipped(tmp_path / "takeout-2024-001.zip", {"A/one.jpg": b"1"})
    zipped(tmp_path / "holidays.zip", {"A/two.jpg": b"1"})
    assert [type(part) for part in open_parts([str(tmp_path)])] == [FolderPart, ZipPart]


def test_what_is_nothing_of_the_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.pdf").write_bytes(b"%PDF")
    for name in ("x.pdf", "gone.zip"):
        with pytest.raises(UsageError):
            open_parts([str(tmp_path / name)])


@pytest.mark.parametrize("make", [zipped, tarred])
@pytest.mark.parametrize("name", ["../../etc/evil.jpg", "/etc/evil.jpg", "./a/../../evil.jpg", "..\\..\\evil.jpg"])
def test_a_name_that_leads_outside_is_refused_and_named(tmp_path: Path, make, name: str) -> None:
    (part,) = open_parts([str(make(tmp_path / "x.any", {name: b"evil", "A/good.jpg": b"good"}))])
    assert contents(part) == {b"A/good.jpg": b"good"}
    assert ["evil" in one.path for one in part.problems] == [True]


def test_a_bomb_is_not_unpacked(tmp_path: Path) -> None:
    path = zipped(tmp_path / "x.zip", {"A/bomb.jpg": bytes(100_000_000), "A/good.jpg": b"good"})
    assert path.stat().st_size < 1_000_000
    (part,) = open_parts([str(path)])
    assert contents(part) == {b"A/good.jpg": b"good"}
    assert "larger" in part.problems[0].what


def test_a_file_that_is_longer_than_it_says_ends_there(tmp_path: Path) -> None:
    """The size in the list says 10 bytes; deflated are 50 MB."""
    path = zipped(tmp_path / "x.zip", {"A/liar.jpg": bytes(50_000_000)})
    data = path.read_bytes().replace(struct.pack("<I", 50_000_000), struct.pack("<I", 10))
    path.write_bytes(data)
    (part,) = open_parts([str(path)])
    tracemalloc.start()
    with pytest.raises(DamageError):
        contents(part)
    assert tracemalloc.get_traced_memory()[1] < 20_000_000
    tracemalloc.stop()


def test_a_tgz_bomb_stops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("photovault.importing.archives._SMALL", 1_000_000)
    path = tarred(tmp_path / "x.tgz", {"A/good.jpg": b"good", "A/bomb.jpg": bytes(50_000_000)})
    with pytest.raises(DamageError):
        contents(TarPart(0, str(path)))


def test_a_tgz_whose_header_claims_a_long_name_stops(tmp_path: Path) -> None:
    info = tarfile.TarInfo("x")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 10**9
    packed = zlib.compressobj(1, zlib.DEFLATED, 31)
    with open(tmp_path / "x.tgz", "wb") as file:
        file.write(packed.compress(info.tobuf()))
        file.write(packed.compress(bytes(10**8)))
        file.write(packed.flush())
    tracemalloc.start()
    with pytest.raises(DamageError):
        contents(TarPart(0, str(tmp_path / "x.tgz")))
    assert tracemalloc.get_traced_memory()[1] < 20_000_000
    tracemalloc.stop()


def test_an_encrypted_file_is_named(tmp_path: Path) -> None:
    path = zipped(tmp_path / "x.zip", {"A/secret.jpg": b"secret"})
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\1\2") + 8] |= 1
    path.write_bytes(data)
    (part,) = open_parts([str(path)])
    assert contents(part) == {}
    assert "encrypted" in part.problems[0].what


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_methods_that_cannot_be_unpacked_in_bounded_memory_are_named(tmp_path: Path, method: int) -> None:
    (part,) = open_parts([str(zipped(tmp_path / "x.zip", {"A/a.jpg": b"a"}, method))])
    assert contents(part) == {}
    assert len(part.problems) == 1


@pytest.mark.parametrize("make", [zipped, tarred])
def test_an_archive_cut_short_is_told(tmp_path: Path, make) -> None:
    path = make(tmp_path / "x.any", {"A/a.jpg": os.urandom(100_000)})
    path.write_bytes(path.read_bytes()[:60_000])
    (part,) = open_parts([str(path)])
    with pytest.raises(DamageError) as told:
        contents(part)
    assert "download" in told.value.hint


def test_a_changed_byte_is_found_by_the_checksum(tmp_path: Path) -> None:
    path = zipped(tmp_path / "x.zip", {"A/a.jpg": b"A" * 5000}, zipfile.ZIP_STORED)
    path.write_bytes(path.read_bytes().replace(b"AAAAAAAA", b"AAABAAAA", 1))
    (part,) = open_parts([str(path)])
    with pytest.raises(DamageError):
        contents(part)


def test_twice_the_same_name_is_two_files(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("A/a.jpg", b"one")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("A/a.jpg", b"two")
    (part,) = open_parts([str(tmp_path / "x.zip")])
    found = []
    for _, opening in part.walk():
        with opening() as stream:
            found.append(stream.read(10))
    part.close()
    assert found == [b"one", b"two"]


def test_an_entry_without_a_name_is_no_file(tmp_path: Path) -> None:
    path = zipped(tmp_path / "x.zip", {"./": b"x", "A/a.jpg": b"a"})
    path.write_bytes(path.read_bytes().replace(b"./", b"\0/"))
    (part,) = open_parts([str(path)])
    assert contents(part) == {b"A/a.jpg": b"a"}


def test_names_that_do_not_say_that_they_are_utf_8(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("A/????.jpg", b"x")
        archive.writestr("A/??.jpg", b"y")
    data = (tmp_path / "x.zip").read_bytes().replace(b"????.jpg", "üß.jpg".encode()).replace(b"??.jpg", b"\x81\xff.jpg")
    (tmp_path / "x.zip").write_bytes(data)
    (part,) = open_parts([str(tmp_path / "x.zip")])
    names = [member.name for member, _ in part.walk()]
    part.close()
    assert names[0] == "üß.jpg".encode()
    assert names[1].endswith(b".jpg")


def test_a_zip_of_many_entries_is_listed_in_bounded_memory(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(20_000):
            archive.writestr(f"A/{number}.jpg", b"")
    part = ZipPart(0, str(path))
    assert sum(1 for _ in part.walk()) == 20_000
    part.close()


def test_a_list_of_files_that_is_far_too_long_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("photovault.importing.archives._DIRECTORY_MAX", 1000)
    path = zipped(tmp_path / "x.zip", {f"A/{number}.jpg": b"" for number in range(100)})
    with pytest.raises(DamageError):
        contents(ZipPart(0, str(path)))


def test_links_and_devices_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    root = unpacked(tmp_path / "T", {"A/a.jpg": b"a"})
    (root / "Takeout" / "link.jpg").symlink_to(tmp_path / "secret")
    os.mkfifo(root / "Takeout" / "pipe.jpg")
    (root / "Takeout" / "folder").symlink_to(tmp_path)
    assert contents(FolderPart(0, bytes(root))) == {b"A/a.jpg": b"a"}
    with tarfile.open(tmp_path / "x.tgz", "w:gz") as archive:
        link = tarfile.TarInfo("A/link.jpg")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    assert contents(TarPart(0, str(tmp_path / "x.tgz"))) == {}


def test_a_listed_file_outside_of_its_library_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret.jpg").write_bytes(b"secret")
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "out").symlink_to(tmp_path)
    part = FilesPart(0, bytes(tmp_path / "lib"))
    assert [part.add(folder, b"secret.jpg") for folder in (b"..", b"out", bytes(tmp_path))] == [None, None, None]
    assert part.add(b".", b"../secret.jpg") is None
    (tmp_path / "library").mkdir()
    (tmp_path / "library" / "secret.jpg").write_bytes(b"secret")  # a name that begins like the library's
    assert part.add(b"../library", b"secret.jpg") is None


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_broken_archives_never_raise_anything_else(tmp_path_factory, data) -> None:
    """Any bytes of a good archive changed, cut, or put in: files, or DamageError."""
    make = data.draw(st.sampled_from([_zip_bytes, _tar_bytes]))
    good = bytearray(make())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(good) - 1))
        good[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=4))
    path = tmp_path_factory.mktemp("broken") / "x"
    path.write_bytes(good)
    part = (ZipPart if make is _zip_bytes else TarPart)(0, str(path))
    with closing(part), suppress(DamageError):
        for _, opening in part.walk():
            with suppress(DamageError), opening() as stream:
                while stream.read(100_000):
                    pass


def _zip_bytes() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("A/a.jpg", b"abc" * 50)
        archive.writestr("A/b.json", b"{}")
    return out.getvalue()


def _tar_bytes() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz", format=tarfile.PAX_FORMAT) as archive:
        for name in ("A/a.jpg", "A/" + "ü" * 120 + ".jpg"):
            info = tarfile.TarInfo(name)
            info.size = 5
            archive.addfile(info, io.BytesIO(b"hello"))
    return out.getvalue()
