"""tools/audit_vault.py accounts for every byte of a clean vault, and names whatever is planted in one.

What is planted here only the holder of the keys can plant: every tag is right, and something is there that the format
does not know or no snapshot leads to.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import io
import json
import os
import shutil
import sys
import zlib
from base64 import b64decode
from dataclasses import fields
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from photovault.crypto.words import to_words
from photovault.facts import Facts
from photovault.storage.folder import FolderStorage
from photovault.vault import format as fmt
from photovault.vault.format import ObjectKind, PartKind
from photovault.vault.pack import open_object, open_single
from photovault.vault.slots import Secrets
from photovault.vault.vault import unlock
from tests.support.devices import PASSWORD, WORDS, Computer
from tests.support.djxl import fake_djxl
from tests.support.photos import jpeg, put
from tests.vectors import make

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

TOOL = Path(__file__).parents[2] / "tools" / "audit_vault.py"
VECTORS = Path(__file__).parents[1] / "vectors" / "vault.json"


METADATA = make.JPEG[:2] + b"\xff\xe1\x00\x08hello!" + make.JPEG[2 : make.TABLES]
ALL_FACTS = {
    "altitude": -3, "broken": "cut", "burst_id": "b", "content_id": "c", "description": "d", "duration": 1,
    "gain_map": True, "height": 3, "keywords": ["a", "b"], "kind": "jpeg", "latitude": 1, "lens": "l", "longitude": -1,
    "make": "m", "model": "n", "motion": 9, "orientation": 6, "phash": 2**64 - 1, "rating": -1,
    "suspect": "s", "taken": "2021-05-04T13:22:11+02:00", "taken_confidence": "high", "taken_source": "exif", "title": "t", "width": 4,
}  # fmt: skip


def load() -> Any:
    specification = importlib.util.spec_from_file_location("audit_vault", TOOL)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


audit_vault = load()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a vault of two backups in ``vault``, and the secrets in ``words`` and ``password``."""
    base = tmp_path_factory.mktemp("audit")
    (base / "words").write_text(" ".join(to_words(WORDS)))
    (base / "password").write_text(PASSWORD + "\n")
    photos = base / "device" / "Pictures"
    put(photos / "2021" / "a.jpg", jpeg(1, taken="2021:05:04 13:22:11"))
    put(photos / "2021" / "twin.jpg", (photos / "2021" / "a.jpg").read_bytes())
    put(photos / "movie.mp4", Random(1).randbytes(5_000_000))
    put(photos / "empty.jpg", b"")
    (photos / "link.jpg").symlink_to("2021/a.jpg")
    computer = Computer(base / "device", base / "vault")
    computer.make_vault(FolderStorage(base / "vault"), password=PASSWORD)
    computer.backup(photos, storage=FolderStorage(base / "vault"))
    put(photos / "2022" / "b.jpg", jpeg(2))
    computer.backup(photos, storage=FolderStorage(base / "vault"))
    return base


@pytest.fixture
def vault(world: Path, tmp_path: Path) -> Path:
    """A copy of the vault, to plant things in."""
    return shutil.copytree(world / "vault", tmp_path / "vault")


@pytest.fixture
def audit(world: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """Run the auditor: the exit code, and all that it said."""

    def run(vault: Path, *options: object, words: object = None) -> tuple[int, str]:
        secret = [] if "--password-file" in options else ["--words-file", words or world / "words"]
        monkeypatch.setattr(sys, "argv", ["audit_vault.py", *map(str, [vault, *secret, *options])])
        code = audit_vault.main()
        return code, "".join(capsys.readouterr())

    return run


class Insider:
    """Somebody who holds the keys of a vault and hides something in it."""

    def __init__(self, vault: Path) -> None:
        self.vault = vault
        self.keyring, _ = unlock(FolderStorage(vault), Secrets(words=WORDS))

    def store(self, kind: ObjectKind, data: bytes) -> str:
        """Put a sealed object where it belongs; its name."""
        name = fmt.object_name(kind, hashlib.sha256(data).digest())
        put(self.vault / name, data)
        return name

    def seal(self, *parts: make.Part, kind: ObjectKind = ObjectKind.PACK, size: int = 0) -> str:
        return self.store(kind, make.sealed(parts, kind, self.keyring, size))

    def page(self, entries: Sequence[dict[str, Any]]) -> make.Part:
        data = fmt.canonical({"entries": sorted(entries, key=lambda entry: entry["name"]), "version": 1})
        return make.part(data, PartKind.LISTING, zlib.compress(data), self.keyring)

    def snapshot(self) -> tuple[Path, dict[str, Any]]:
        """The newest one."""
        found = [(path, self.plain(path)) for path in self.vault.glob("snapshots/*")]
        return max(found, key=lambda pair: pair[1]["number"])

    def plain(self, path: Path) -> dict[str, Any]:
        return json.loads(open_single(self.keyring, ObjectKind.SNAPSHOT, path.read_bytes()))

    def say(self, **fields: Any) -> None:
        """Add a snapshot that follows on the newest one, with other fields."""
        path, value = self.snapshot()
        link = {"number": value["number"] + 1, "previous": path.name}
        self.seal(self.of_snapshot(value | link | fields), kind=ObjectKind.SNAPSHOT)

    def of_snapshot(self, value: dict[str, Any]) -> make.Part:
        return make.part(fmt.canonical(value), PartKind.SNAPSHOT, keyring=self.keyring)

    def list_photo(self, entry: dict[str, Any], photo: bytes = b"a photo") -> None:
        """Add a snapshot of a library of one photo."""
        content = make.part(photo, keyring=self.keyring)
        whole = {
            "kind": "file",
            "mode": 0o644,
            "mtime": 0,
            "name": "a.jpg",
            "parts": [content[0].part_id.hex()],
            "sha256": hashlib.sha256(photo).hexdigest(),
            "size": len(photo),
        }
        inner = self.page([whole | entry])
        outer = self.page([self.folder("Pictures", inner, files=1, size=len(photo))])
        self.seal(content, inner, outer)
        counts = {"files": 1, "folders": 0, "links": 0, "size": len(photo)}
        self.say(root=[outer[0].part_id.hex()], counts=counts)

    def list_packed(self, parts: list[make.Part], whole: bytes, *more: make.Part, **facts: Any) -> str:
        """Add a snapshot of a library of one photo, some of whose parts are encoded together; the pack they are in."""
        entry = {"parts": [record.part_id.hex() for record, _ in parts], "size": len(whole), "facts": facts}
        entry |= {"sha256": hashlib.sha256(whole).hexdigest()}
        common = {"kind": "file", "mode": 0o644, "mtime": 0, "name": "a.jpg"}
        inner = self.page([common | entry])
        outer = self.page([self.folder("Pictures", inner, files=1, size=len(whole))])
        self.seal(inner, outer)
        counts = {"files": 1, "folders": 0, "links": 0, "size": len(whole)}
        self.say(root=[outer[0].part_id.hex()], counts=counts)
        return self.seal(*parts, *more)

    def packed(self, metadata: bytes = METADATA, jxl: bytes = make.JPEG_XL) -> tuple[list[make.Part], bytes]:
        """The parts of a photo of which the image data are JPEG XL, and the photo."""
        image = make.JPEG[make.TABLES :]
        parts = [make.part(metadata, keyring=self.keyring)]
        return parts + make.group([image[:20], image[20:]], make.TABLES, self.keyring, jxl), metadata + image

    def folder(self, name: str, page: make.Part, files: int = 0, size: int = 0) -> dict[str, Any]:
        parts = [page[0].part_id.hex()]
        common = {"kind": "folder", "mode": 0o755, "mtime": 0, "name": name}
        return common | {"parts": parts, "files": files, "size": size}


def of(said: str) -> list[str]:
    return [line for line in said.splitlines() if line.startswith("NOT ACCOUNTED FOR")]


def the(vault: Path, pattern: str) -> Path:
    """The largest object of a kind."""
    return max(vault.glob(pattern), key=lambda path: path.stat().st_size)


# What is clean ---------------------------------------------------------------------------------------------------------


def test_a_clean_vault_is_accounted_for_to_the_last_byte(audit: Callable, vault: Path) -> None:
    code, said = audit(vault)
    assert (code, of(said)) == (0, []), said
    size = sum(path.stat().st_size for path in vault.rglob("*") if path.is_file())
    objects = sum(path.is_file() for path in vault.rglob("*"))
    (row,) = [line.split() for line in said.splitlines() if line.startswith("all ")]
    numbers = [int(cell.replace(",", "")) for cell in row[1:]]
    assert numbers[:2] == [objects, size]
    assert sum(numbers[2:5]) == size
    assert numbers[5] == 0


@pytest.mark.parametrize("ending", ["", "\n", "\r\n"])
def test_the_password_opens_it_too(audit: Callable, vault: Path, tmp_path: Path, ending: str) -> None:
    (tmp_path / "password").write_bytes((PASSWORD + ending).encode())
    assert audit(vault, "--password-file", tmp_path / "password")[0] == 0


def test_a_new_vault_without_snapshots_is_clean(audit: Callable, tmp_path: Path) -> None:
    Computer(tmp_path / "device", tmp_path / "new").make_vault(FolderStorage(tmp_path / "new"))
    assert audit(tmp_path / "new")[0] == 0


def test_a_vault_with_two_key_epochs_is_read_through_the_chain(audit: Callable, tmp_path: Path) -> None:
    (vector,) = [one for one in json.loads(VECTORS.read_text())["vectors"] if one["expect"] == "opens"]
    for name, data in vector["objects"].items():
        put(tmp_path / "old" / name, b64decode(data))
    (tmp_path / "words").write_text(" ".join(to_words(bytes.fromhex(vector["words"]))))
    code, said = audit(tmp_path / "old", words=tmp_path / "words")
    assert "key epochs 1 to 2" in said
    # These snapshots speak of objects in clear that the vector does not hold, and are otherwise clean.
    assert not [line for line in of(said) if "packs/" in line or "index/" in line], (code, said)


def test_a_photo_with_every_field_of_the_format_is_clean(audit: Callable, vault: Path) -> None:
    assert ALL_FACTS.keys() | {"thumbnail"} == {one.name for one in fields(Facts)}
    Insider(vault).list_photo({"facts": ALL_FACTS, "unsettled": True, "xattrs": {"user.n": "00ff", "user.e": ""}})
    assert of(audit(vault)[1]) == []


def test_heads_of_other_places_are_known(audit: Callable, vault: Path) -> None:
    head = {"device": "0" * 32, "number": 1, "snapshot": "0" * 64, "storage": "nas"}
    Insider(vault).say(heads=[head])
    assert audit(vault)[0] == 0


def test_a_deep_tree_does_not_use_up_the_stack(audit: Callable, vault: Path) -> None:
    insider = Insider(vault)
    pages = [insider.page([])]
    for depth in range(1_500):
        pages.append(insider.page([insider.folder("d" if depth < 1_499 else "Pictures", pages[-1])]))
    insider.seal(*pages)
    insider.say(root=[pages[-1][0].part_id.hex()], counts={"files": 0, "folders": 1_499, "links": 0, "size": 0})
    assert of(audit(vault)[1]) == []


# Thumbnails and JPEG XL -------------------------------------------------------------------------------------------------


def webp(*more: bytes) -> bytes:
    """A thumbnail, with more chunks than it should have."""
    out = io.BytesIO()
    Image.new("RGB", (9, 7), "red").save(out, "WEBP")
    body = out.getvalue()[8:] + b"".join(more)
    return b"RIFF" + len(body).to_bytes(4, "little") + body


@pytest.mark.parametrize("way", ["imagecodecs", "djxl"])
def test_a_photo_that_is_stored_as_jpeg_xl_is_accounted_for(
    audit: Callable, vault: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, way: str
) -> None:
    insider = Insider(vault)
    if way == "djxl":
        monkeypatch.setattr(audit_vault, "imagecodecs", None)
        monkeypatch.setenv("PATH", str(fake_djxl(tmp_path)), prepend=os.pathsep)
    parts, photo = insider.packed()
    thumbnail = make.part(webp(), PartKind.THUMBNAIL, keyring=insider.keyring)
    insider.list_packed(parts, photo, thumbnail, thumbnail=thumbnail[0].part_id.hex())
    code, said = audit(vault)
    assert (code, of(said)) == (0, []), said
    assert "stored as JPEG XL: 1 pictures in 2 parts, " in said
    assert "\nthumbnails: " in said
    assert "\nthumbnails: 0" not in said


def test_without_a_decoder_the_bytes_are_counted_and_said(
    audit: Callable, vault: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_vault, "imagecodecs", None)
    monkeypatch.setenv("PATH", "")
    name = Insider(vault).list_packed(*Insider(vault).packed())
    code, said = audit(vault)
    why = "2 of its parts are JPEG XL, which nothing here decodes: install djxl or imagecodecs"
    assert (code, of(said)) == (1, [f"NOT ACCOUNTED FOR: {name}: {why}"])
    assert [row.split()[-1] for row in said.splitlines() if row.startswith("all ")] == [f"{len(make.JPEG_XL):,}"]


@pytest.mark.parametrize(
    "extra", [b"\0\0\0\x0cfacehi!!", b"\0\0\0\x09xml <", b"\0\0\0\x0eExif\0\0\0\0xx", b"\0\0", b"x"]
)
def test_a_jpeg_xl_file_with_another_box_is_named(audit: Callable, vault: Path, extra: bytes) -> None:
    """The decoder passes over it: only this audit sees it."""
    insider = Insider(vault)
    name = insider.list_packed(*insider.packed(jxl=make.JPEG_XL + extra))
    assert any(name in line for line in of(audit(vault)[1]))


def test_what_stands_only_in_the_jpeg_xl_is_named(audit: Callable, vault: Path) -> None:
    """A JPEG may have more before the parts than the file has: that would be a place to hide something."""
    insider = Insider(vault)
    name = insider.list_packed(*insider.packed(metadata=make.JPEG[:2] + b"\xff\xe1\x00\x08hello!"))
    (line,) = of(audit(vault)[1])
    assert name in line
    assert "no file begins as the JPEG does" in line


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (webp(b"EXIF\x04\0\0\0face"), "a chunk b'EXIF'"),
        (webp(b"FACE\x02\0\0\0no"), "a chunk b'FACE'"),
        (webp() + b"face", "bytes behind it"),
        (b"128 numbers that are a face", "no WebP picture"),
    ],
)
def test_a_thumbnail_with_more_than_a_picture_is_named(audit: Callable, vault: Path, data: bytes, why: str) -> None:
    insider = Insider(vault)
    thumbnail = make.part(data, PartKind.THUMBNAIL, keyring=insider.keyring)
    insider.seal(thumbnail)
    insider.list_photo({"facts": {"thumbnail": thumbnail[0].part_id.hex()}})
    (line,) = of(audit(vault)[1])
    assert why in line


def test_a_thumbnail_that_is_not_there_is_named(audit: Callable, vault: Path) -> None:
    Insider(vault).list_photo({"facts": {"thumbnail": "0" * 64}})
    (line,) = of(audit(vault)[1])
    assert "Pictures/a.jpg: part 0000000000000000 is nowhere" in line


# What is planted -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("faces.bin", "knows no such object"),
        ("packs/notes.txt", "knows no such object"),
        ("packs/ab/" + "cd" * 32, "knows no such object"),
        ("keys/README", "knows no such object"),
        ("tmp/left-over", "an unfinished write"),
        ("packs/ab/ab" + "0" * 62, "its first 16 bytes"),
        ("index/" + "0" * 64, "its first 16 bytes"),
        ("keys/" + "0" * 32, "keys/000"),
    ],
)
def test_a_stray_object_is_named_with_its_bytes(audit: Callable, vault: Path, name: str, why: str) -> None:
    put(vault / name, bytes(16384))
    code, said = audit(vault)
    assert code == 1
    (line,) = [line for line in of(said) if name in line and "SHA-256" not in line]
    assert why in line
    assert [row.split()[-1] for row in said.splitlines() if row.startswith("all ")] == ["16,384"]


def test_a_stray_folder_is_named(audit: Callable, vault: Path) -> None:
    (vault / "packs" / "anna has 14 faces").mkdir()
    assert "anna has 14 faces" in of(audit(vault)[1])[0]


def test_a_link_is_named(audit: Callable, vault: Path) -> None:
    (vault / "index" / ("0" * 64)).symlink_to(the(vault, "index/*"))
    assert "index/000" in of(audit(vault)[1])[0]


@pytest.mark.parametrize("padding", [b"\1", -1, b"a face vector"])
def test_padding_that_is_not_zero_is_named(
    audit: Callable, vault: Path, monkeypatch: pytest.MonkeyPatch, padding: bytes | int
) -> None:
    insider = Insider(vault)
    monkeypatch.setattr(make, "FIRST", insider.keyring)
    monkeypatch.setattr(make, "VAULT", insider.keyring.vault_id)
    part = insider.of_snapshot(insider.snapshot()[1])
    insider.snapshot()[0].unlink()
    name = insider.store(ObjectKind.SNAPSHOT, make.by_hand([part], kind=ObjectKind.SNAPSHOT, padding=padding))
    assert of(audit(vault)[1]) == [f"NOT ACCOUNTED FOR: {name}: its padding is not all zeros"]


def test_an_object_larger_than_it_must_be_is_named(audit: Callable, vault: Path) -> None:
    insider = Insider(vault)
    path, value = insider.snapshot()
    path.unlink()
    name = insider.seal(insider.of_snapshot(value), kind=ObjectKind.SNAPSHOT, size=65536)
    assert of(audit(vault)[1]) == [f"NOT ACCOUNTED FOR: {name}: it has 65536 bytes, where 16384 would have held it"]


@pytest.mark.parametrize("kind", [PartKind.CONTENT, PartKind.LISTING, PartKind.THUMBNAIL])
def test_a_part_that_no_snapshot_leads_to_is_named(audit: Callable, vault: Path, kind: PartKind) -> None:
    insider = Insider(vault)
    data = webp() if kind is PartKind.THUMBNAIL else b"128 numbers that are a face"
    part = make.part(data, kind, keyring=insider.keyring)
    name = insider.seal(part)
    (line,) = of(audit(vault)[1])
    assert name in line
    assert part[0].part_id.hex()[:16] in line


def test_a_part_beside_those_of_a_snapshot_is_named(audit: Callable, vault: Path) -> None:
    insider = Insider(vault)
    path = min(vault.glob("packs/*/*"), key=lambda path: path.stat().st_size)
    opened = open_object(insider.keyring, ObjectKind.PACK, path.read_bytes())
    old = [(region.record, opened.part(region)) for region in opened.regions]
    kept = [make.part(data, record.kind, keyring=insider.keyring) for record, data in old]
    path.unlink()
    shutil.rmtree(vault / "index")
    name = insider.seal(*kept, make.part(b"stowaway", keyring=insider.keyring))
    (line,) = of(audit(vault)[1])
    assert f"{name}: no snapshot leads to 1 of its {len(kept) + 1} parts" in line


@pytest.mark.parametrize(
    ("entry", "field"),
    [
        ({"faces": 3}, "no field faces"),
        ({"facts": {"faces": 3}}, "no field faces"),
        ({"facts": {"taken": "3 faces"}}, "taken"),
        ({"facts": {"taken_source": 3}}, "taken_source"),
        ({"facts": 3}, "facts"),
        ({"unsettled": False}, "unsettled"),
        ({"mode": 0o10000}, "mode"),
        ({"mtime": 1.5}, "mtime"),
        ({"xattrs": {"user.face": "0G"}}, "xattrs"),
        ({"size": 6}, "size"),
        ({"sha256": "0" * 64}, "SHA-256"),
        ({"parts": ["0" * 64]}, "is nowhere"),
        ({"kind": "face"}, "kind"),
    ],
)
def test_a_listing_field_that_the_format_does_not_know_is_named_with_its_file(
    audit: Callable, vault: Path, entry: dict[str, Any], field: str
) -> None:
    Insider(vault).list_photo(entry)
    code, said = audit(vault)
    assert code == 1
    assert [line for line in of(said) if "Pictures/a.jpg" in line and field in line], said


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"faces": 3}, "knows no field faces"),
        ({"device": {"id": "0" * 32, "name": "vm", "user": "anna"}}, "knows no field user"),
        ({"counts": {"files": 1, "folders": 0, "links": 0, "size": 1}}, "counts"),
        ({"sources": []}, "top listing"),
        ({"number": 1}, "does not follow"),
        ({"epoch": 2}, "epoch"),
        ({"problems": -1}, "problems"),
        ({"time": "yesterday"}, "time"),
        ({"clear": [{"name": "../faces", "sha256": "0" * 64}]}, "name"),
        ({"root": ["0" * 64]}, "is nowhere"),
        ({"tags": [3]}, "tags"),
        ({"heads": []}, "heads"),
        ({"heads": [{"device": "0" * 32, "number": 1, "snapshot": "0" * 64, "storage": "nas", "faces": 3}]}, "faces"),
    ],
)
def test_a_snapshot_field_that_says_something_else_is_named(
    audit: Callable, vault: Path, fields: dict[str, Any], why: str
) -> None:
    Insider(vault).say(**fields)
    code, said = audit(vault)
    assert code == 1
    assert why in "".join(of(said))


def streams(data: bytes) -> dict[str, bytes]:
    """Other zlib streams of the same bytes: a bit of freedom is room for a message."""
    engine = zlib.compressobj(6)
    flushed = engine.compress(data[:10]) + engine.flush(zlib.Z_FULL_FLUSH) + engine.compress(data[10:]) + engine.flush()
    return {"behind the end": zlib.compress(data) + b"message", "cut in two": flushed}


@pytest.mark.parametrize(("which", "options"), [("behind the end", ["--other-zlib"]), ("cut in two", [])])
def test_a_message_in_a_compressed_part_is_named(audit: Callable, vault: Path, which: str, options: list[str]) -> None:
    insider = Insider(vault)
    page = fmt.canonical({"entries": [], "version": 1})
    part = make.part(page, PartKind.LISTING, streams(page)[which], insider.keyring)
    name = insider.seal(part)
    insider.say(
        root=[part[0].part_id.hex()], sources=[], counts=dict.fromkeys(("files", "folders", "links", "size"), 0)
    )
    assert name in "".join(of(audit(vault, *options)[1]))


def test_a_vault_written_with_another_zlib_can_be_audited(audit: Callable, vault: Path) -> None:
    insider = Insider(vault)
    page = fmt.canonical({"entries": [], "version": 1})
    part = make.part(page, PartKind.LISTING, streams(page)["cut in two"], insider.keyring)
    insider.seal(part)
    insider.say(
        root=[part[0].part_id.hex()], sources=[], counts=dict.fromkeys(("files", "folders", "links", "size"), 0)
    )
    assert of(audit(vault, "--other-zlib")[1]) == []


@pytest.mark.parametrize(
    "page",
    [b'{"entries": [],"version":1}', b'{"entries":[],"version":1}\n', b"[" * 100_000, b"1" * 10_000, b"\xff", b""],
)
def test_a_page_that_is_not_canonical_json_is_named(audit: Callable, vault: Path, page: bytes) -> None:
    insider = Insider(vault)
    part = make.part(page, PartKind.LISTING, keyring=insider.keyring)
    insider.seal(part)
    insider.say(root=[part[0].part_id.hex()])
    (snapshot, _) = insider.snapshot()
    assert f"snapshot {snapshot.name[:12]}" in "".join(of(audit(vault)[1]))


@pytest.mark.parametrize("change", ["gone", "size", "part"])
def test_an_index_that_says_something_else_than_the_pack_is_named(audit: Callable, vault: Path, change: str) -> None:
    insider = Insider(vault)
    path = the(vault, "index/*")
    plain = bytearray(open_single(insider.keyring, ObjectKind.INDEX, path.read_bytes()))
    plain[{"gone": 0, "size": 33, "part": 45}[change]] ^= 1
    path.unlink()
    part = make.part(bytes(plain), PartKind.INDEX, keyring=insider.keyring)
    name = insider.seal(part, kind=ObjectKind.INDEX)
    (line,) = of(audit(vault)[1])
    assert f"{name}: it describes" in line


@pytest.mark.parametrize("name", ["vault.json", "keys/*", "recover.py", "RECOVER.txt", "FORMAT.md"])
def test_what_lies_in_clear_may_not_hold_a_byte_more(audit: Callable, vault: Path, name: str) -> None:
    path = next(vault.glob(name))
    path.write_bytes(path.read_bytes() + b"\n")
    assert path.name in "".join(of(audit(vault)[1]))


@pytest.mark.parametrize("pattern", ["vault.json", "recover.py", "packs/*/*", "snapshots/*"])
def test_a_vault_that_lacks_something_is_not_whole(audit: Callable, vault: Path, pattern: str) -> None:
    the(vault, pattern).unlink()
    assert audit(vault)[0] == 1


@pytest.mark.parametrize("pattern", ["packs/*/*", "index/*", "snapshots/*", "keys/*", "vault.json"])
def test_a_changed_byte_is_named_wherever_it_is(audit: Callable, vault: Path, world: Path, pattern: str) -> None:
    path = the(vault, pattern)
    data, size = path.read_bytes(), path.stat().st_size
    for at in sorted({0, 6, 7, 9, 13, 20, 60, 90, 110, 120, size // 2, size - 90, size - 1}):
        path.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
        code, said = audit(vault, *(["--password-file", world / "password"] if b"words" in data else []))
        assert code == 1, at
        assert str(path.relative_to(vault)) in "".join(of(said)), at


# What cannot be opened -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", ["", "abandon " * 24, "abandon " * 23 + "xyzzy", "abandon " * 23 + "art"])
def test_wrong_words_open_nothing(audit: Callable, vault: Path, tmp_path: Path, words: str) -> None:
    (tmp_path / "wrong").write_text(words)
    code, said = audit(vault, words=tmp_path / "wrong")
    assert code == 2
    assert "words" in said


def test_a_wrong_password_opens_nothing(audit: Callable, vault: Path, tmp_path: Path) -> None:
    (tmp_path / "wrong").write_text("not it")
    assert audit(vault, "--password-file", tmp_path / "wrong")[0] == 2


def test_a_folder_that_is_no_vault_is_not_clean(audit: Callable, tmp_path: Path) -> None:
    assert audit(tmp_path)[0] == 2
    assert audit(tmp_path / "nothing")[0] == 2


def test_all_2048_words_are_known() -> None:
    for start in range(0, 2048, 23):
        places = [min(place, 2047) for place in range(start, start + 23)]
        entropy = int("".join(f"{place:011b}" for place in places) + "000", 2).to_bytes(32, "big")
        assert audit_vault.secret_of_words(" ".join(to_words(entropy))) == entropy


def test_it_imports_the_standard_library_and_cryptography_only() -> None:
    names = set()
    for node in ast.walk(ast.parse(TOOL.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            names.add(node.module.split(".")[0])
    assert names - set(sys.stdlib_module_names) == {"cryptography", "imagecodecs"}
    assert "except ImportError" in TOOL.read_text()  # it does without the latter


# Parity


@pytest.fixture
def protected(tmp_path: Path) -> Path:
    """A vault whose packs have parity."""
    photos = tmp_path / "device" / "Pictures"
    put(photos / "a.jpg", jpeg(1))
    put(photos / "movie.mp4", Random(1).randbytes(100_000))
    computer = Computer(tmp_path / "device", tmp_path / "protected")
    (computer.folder / "config.toml").write_text("[vault]\nparity = true\n[backup]\nthumbnails = false\n")
    computer.make_vault(password=PASSWORD)
    computer.backup(photos)
    return tmp_path / "protected"


def parity_of(vault: Path, **change: Any) -> tuple[dict[str, Any], list[make.Part]]:
    """The map of a parity object, and its parts, the map changed; the object goes."""
    insider = Insider(vault)
    path = min(vault.glob("parity/*"))
    opened = open_object(insider.keyring, ObjectKind.PARITY, path.read_bytes())
    path.unlink()
    said, held = (opened.part(region) for region in opened.regions)
    value = json.loads(said) | change
    parts = [
        make.part(fmt.canonical(value), PartKind.PARITY_MAP, keyring=insider.keyring),
        make.part(held, PartKind.PARITY, keyring=insider.keyring),
    ]
    return value, parts


def test_parity_is_computed_again(audit: Callable, protected: Path) -> None:
    code, said = audit(protected)
    assert (code, said.splitlines()[-1]) == (0, "every byte is accounted for")
    assert "parity maps: " in said


def test_parity_that_its_packs_do_not_give_is_named(audit: Callable, protected: Path) -> None:
    insider = Insider(protected)
    _, (said, held) = parity_of(protected)
    message = b"a face vector" + bytes(held[1])[13:]
    name = insider.seal(said, make.part(message, PartKind.PARITY, keyring=insider.keyring), kind=ObjectKind.PARITY)
    code, told = audit(protected)
    assert code == 1
    assert f"NOT ACCOUNTED FOR: {name}: it is not what its packs give" in told


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"more": 1}, "the format knows no field more in parity map"),
        ({"shards": 3}, "shards is not what the format allows"),
        ({"packs": []}, "its group has no pack, one twice, or too many"),
        ({"packs": ["00" * 32]}, "it protects a pack 0000000000000000 that is not there"),
        ({"length": 5}, "its map says other lengths"),
        ({"shard": 2}, "shard is not what the format allows"),
    ],
)
def test_a_parity_map_that_says_something_else_is_named(
    audit: Callable, protected: Path, change: dict[str, Any], why: str
) -> None:
    _, parts = parity_of(protected, **change)
    name = Insider(protected).seal(*parts, kind=ObjectKind.PARITY)
    code, told = audit(protected)
    assert code == 1
    assert f"NOT ACCOUNTED FOR: {name}: {why}" in told


def test_a_parity_object_with_other_parts_is_named(audit: Callable, protected: Path) -> None:
    _, (said, held) = parity_of(protected)
    name = Insider(protected).seal(held, said, kind=ObjectKind.PARITY)
    code, told = audit(protected)
    assert code == 1
    assert f"NOT ACCOUNTED FOR: {name}: it has other parts than its kind has" in told
