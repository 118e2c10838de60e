"""``photovault export``: whole or not at all, plain or sealed, never over another file."""

from __future__ import annotations

import errno
import os
import subprocess
import time
import zipfile
from random import Random
from typing import TYPE_CHECKING

import pyrage
import pytest

from photovault import export
from photovault.crypto import age
from tests.support.photos import jpeg, library, put, same_tree
from tests.support.programs import needed
from tests.support.terminal import Person

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SECRET = "correct horse battery staple"


@pytest.fixture
def photos(tmp_path: Path, vault: Path, photovault: Callable) -> Path:
    """A backed-up library with odd names, a large file, and one of other photos."""
    root = library(tmp_path / "Pictures", Random(1), files=6)
    put(root / "2012" / "late.jpg", jpeg(99, taken="2024:01:01 00:00:00"))
    put(root / "IMG_7.HEIC", b"\0\0\0\x18ftypheic" + bytes(100))
    put(root / "IMG_7.MOV", b"\0\0\0\x18ftypqt  " + bytes(100))
    put(root / "old.jpg", jpeg(3), mtime=-5.0)
    assert photovault("backup", root).code == 0
    return root


@pytest.fixture(autouse=True)
def _cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(age, "WORK", 4)


def left_over(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.name.startswith(".photovault")]


def test_a_zip_holds_every_file_and_its_time(photovault: Callable, photos: Path, tmp_path: Path) -> None:
    done = photovault("export", "--to", tmp_path / "x.zip")
    assert done.code == 0, done.err
    assert "not encrypted" in done.err
    with zipfile.ZipFile(tmp_path / "x.zip") as archive:
        assert archive.testzip() is None
        found = {name: archive.read(name) for name in archive.namelist()}
        times = {one.filename: one.date_time for one in archive.infolist()}
        methods = {one.filename.rpartition(".")[2]: one.compress_type for one in archive.infolist()}
    every = {
        f"Pictures/{path.relative_to(photos)}": path.read_bytes()
        for path in photos.rglob("*")
        if path.is_file() and not path.is_symlink() and "raw" not in path.name
    }
    assert every.items() <= found.items()
    assert len(found) == len(every) + 1
    assert times["Pictures/twin.jpg"] == time.localtime(1_600_000_000)[:6]
    assert times["Pictures/old.jpg"] == (1980, 1, 1, 0, 0, 0)
    assert (methods["jpg"], methods["mp4"], methods["xmp"]) == (
        zipfile.ZIP_STORED,
        zipfile.ZIP_STORED,
        zipfile.ZIP_DEFLATED,
    )
    assert oct((tmp_path / "x.zip").stat().st_mode) == "0o100600"


def test_names_are_such_as_every_system_takes(photovault: Callable, vault: Path, tmp_path: Path) -> None:
    for name in ("a:b.jpg", "con.jpg", "A.jpg", "a.jpg", "é.jpg"):
        put(tmp_path / "P" / name, name.encode())
    assert photovault("backup", tmp_path / "P").code == 0
    done = photovault("export", "--to", tmp_path / "x.zip", "--json")
    with zipfile.ZipFile(tmp_path / "x.zip") as archive:
        names = [name.rpartition("/")[2] for name in archive.namelist()]
    assert {"A.jpg", "é.jpg"} < set(names)
    assert not {"a:b.jpg", "con.jpg", "a.jpg"} & set(names)
    assert (len(names), len(done.json["renamed"])) == (5, 3)


def test_unzip_gives_the_times_to_the_second(photovault: Callable, photos: Path, tmp_path: Path) -> None:
    put(photos / "odd.jpg", jpeg(5), mtime=1_600_000_001)
    assert photovault("backup", photos).code == 0
    photovault("export", "Pictures/odd.jpg", "--to", tmp_path / "x.zip")
    subprocess.run([needed("unzip"), "-q", tmp_path / "x.zip", "-d", tmp_path / "out"], check=True)
    assert (tmp_path / "out/Pictures/odd.jpg").stat().st_mtime == 1_600_000_001


def test_the_same_choice_gives_the_same_bytes(photovault: Callable, photos: Path, tmp_path: Path) -> None:
    for name in ("one.zip", "two.zip"):
        assert photovault("export", "Pictures/2012", "Pictures/movie.mp4", "--to", tmp_path / name).code == 0
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()


@pytest.mark.parametrize(
    ("what", "found"),
    [
        (["Pictures/2012"], ["2012/IMG_0002.jpg", "2012/late.jpg"]),
        (["--from", "2024-01", "--until", "2024-01"], ["2012/late.jpg"]),
        (["latest:Pictures/IMG_7.HEIC"], ["IMG_7.HEIC", "IMG_7.MOV"]),
        (["Pictures/IMG_7.HEIC", "--only-matching"], ["IMG_7.HEIC"]),
    ],
)
def test_the_filters_are_those_of_restore(photovault: Callable, photos: Path, tmp_path: Path, what, found) -> None:
    assert photovault("export", *what, "--to", tmp_path / "x.zip").code == 0
    with zipfile.ZipFile(tmp_path / "x.zip") as archive:
        assert archive.namelist() == [f"Pictures/{name}" for name in found]


def test_a_folder_gets_what_a_restore_gives(photovault: Callable, photos: Path, tmp_path: Path) -> None:
    done = photovault("export", "--to", tmp_path / "out")
    assert (done.code, "not encrypted" in done.err) == (0, True)
    assert same_tree(tmp_path / "out" / "Pictures", photos) == []
    (tmp_path / "out/Pictures/twin.jpg").write_bytes(b"mine")
    assert photovault("export", "--to", tmp_path / "out", "--json").json["files"] == 0
    assert (tmp_path / "out/Pictures/twin.jpg").read_bytes() == b"mine"


def test_a_passphrase_opens_a_sealed_one(photovault: Callable, photos: Path, tmp_path: Path) -> None:
    (tmp_path / "pass").write_text(SECRET + "\n")
    done = photovault(
        "export", "Pictures/movie.mp4", "--passphrase-file", tmp_path / "pass", "--to", tmp_path / "x.zip.age"
    )
    assert (done.code, "not encrypted" in done.err) == (0, False)
    sealed = (tmp_path / "x.zip.age").read_bytes()
    (tmp_path / "x.zip").write_bytes(pyrage.passphrase.decrypt(sealed, SECRET))
    with zipfile.ZipFile(tmp_path / "x.zip") as archive:
        assert archive.read("Pictures/movie.mp4") == (photos / "movie.mp4").read_bytes()


def test_the_age_program_opens_it_for_a_recipient(photovault: Callable, photos: Path, tmp_path: Path) -> None:
    made = subprocess.run([needed("age-keygen")], capture_output=True, text=True, check=True).stdout
    (tmp_path / "key").write_text(made)
    public = made.partition("public key: ")[2].split()[0]
    photovault("export", "--recipient", public, "--to", tmp_path / "x.zip.age", "Pictures/2012")
    command = [needed("age"), "-d", "-i", tmp_path / "key", "-o", tmp_path / "x.zip", tmp_path / "x.zip.age"]
    subprocess.run(command, check=True)
    with zipfile.ZipFile(tmp_path / "x.zip") as archive:
        assert archive.read("Pictures/2012/late.jpg") == (photos / "2012/late.jpg").read_bytes()


def test_a_passphrase_is_asked_for_twice_and_a_weak_one_refused(photos: Path, tmp_path: Path) -> None:
    """Only here the cost of the passphrase is the real one, and the real program opens the file."""
    person = Person("export", "Pictures/2012", "--sealed", "--to", tmp_path / "x.zip.age")
    for typed in ("weak", SECRET, SECRET + "x", SECRET, SECRET):
        person.sees(": ")
        person.types(typed)
    assert person.leaves() == 0
    assert "they differ" in person.seen
    assert SECRET not in person.seen
    assert (tmp_path / "x.zip.age").read_bytes().split(b"\n")[1].endswith(b" 18")
    assert pyrage.passphrase.decrypt((tmp_path / "x.zip.age").read_bytes(), SECRET).startswith(b"PK")


def test_no_plaintext_touches_the_disk(photovault: Callable, photos: Path, tmp_path: Path, monkeypatch) -> None:
    """Everything that is written while a sealed export runs is looked at, in whatever file it is."""
    marker = (photos / "movie.mp4").read_bytes()[5_000_000:5_000_040]
    seen: list[bool] = []
    update = age.Sealer.update

    def looking(self, data):
        if len(seen) < 20:
            files = [path for path in tmp_path.rglob("*") if path.is_file() and "Pictures" not in path.parts]
            seen.append(any(marker in path.read_bytes() for path in files))
        return update(self, data)

    monkeypatch.setattr(age.Sealer, "update", looking)
    key = str(pyrage.x25519.Identity.generate().to_public())
    assert photovault("export", "Pictures/movie.mp4", "--recipient", key, "--to", tmp_path / "x.age").code == 0
    assert seen
    assert not any(seen)
    assert marker not in (tmp_path / "x.age").read_bytes()


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["--to", ""], "--to is empty"),
        (["--sealed", "--to", "x.zip"], ".age"),
        (["--to", "x.zip.age"], "not be sealed"),
        (["--sealed", "--to", "x.zip.age"], "no terminal"),
        (["--recipient", "age1oops", "--to", "x.age"], "not an age recipient"),
        (["--recipient", "age1oops", "--passphrase-file", "y", "--to", "x.age"], "not both"),
        (["--passphrase-file", "gone", "--to", "x.age"], "cannot read the passphrase file"),
    ],
)
def test_wrong_use_says_what_to_do(
    photovault: Callable, photos: Path, args: list[str], says: str, tmp_path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = photovault("export", *args)
    assert (done.code, says in done.err) == (2, True), done.err
    assert not list(tmp_path.glob("x*"))


def test_nothing_is_overwritten(photovault: Callable, photos: Path, tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "x.zip").write_bytes(b"mine")
    (tmp_path / "y.zip").symlink_to("nowhere")
    for name in ("x.zip", "y.zip"):
        assert photovault("export", "--to", tmp_path / name).code == 2
    run = export.run_export

    def late(*args, **more):
        report = run(*args, **more)
        (tmp_path / "late.zip").write_bytes(b"mine")
        return report

    monkeypatch.setattr("photovault.app.exporting.run_export", late)
    assert photovault("export", "--to", tmp_path / "late.zip").code == 2
    assert (tmp_path / "late.zip").read_bytes() == (tmp_path / "x.zip").read_bytes() == b"mine"
    assert left_over(tmp_path) == []


@pytest.mark.parametrize("number", [errno.EPERM, errno.EOPNOTSUPP])
def test_a_disk_without_links_gets_the_file_too(
    photovault, photos: Path, tmp_path: Path, monkeypatch, number: int
) -> None:
    def link(*args) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "link", link)
    assert photovault("export", "--to", tmp_path / "x.zip").code == 0
    assert zipfile.is_zipfile(tmp_path / "x.zip")
    assert left_over(tmp_path) == []


def test_a_disk_without_links_does_not_lose_what_came_meanwhile(photovault, photos, tmp_path, monkeypatch) -> None:
    def link(_temporary, path) -> None:
        path.write_bytes(b"mine")
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", link)
    assert photovault("export", "--to", tmp_path / "x.zip").code == 2
    assert (tmp_path / "x.zip").read_bytes() == b"mine"
    assert left_over(tmp_path) == []


@pytest.mark.parametrize("whole", [1_000_000, 100_000_000])
def test_bytes_that_are_not_those_of_the_snapshot_do_not_go_in(
    photovault, photos, tmp_path, monkeypatch, whole: int
) -> None:
    """The parts open and are what they say, and still are not the file."""
    monkeypatch.setattr(export, "_WHOLE", whole)
    pieces = export._pieces
    monkeypatch.setattr(export, "_pieces", lambda *args: reversed(list(pieces(*args))))
    done = photovault("export", "Pictures/movie.mp4", "Pictures/twin.jpg", "--to", tmp_path / "x.zip", "--json")
    assert (done.code, [one["path"] for one in done.json["damaged"]]) == (13, ["Pictures/movie.mp4"])
    with zipfile.ZipFile(tmp_path / "x.zip") as archive:
        assert archive.namelist() == ["Pictures/twin.jpg"]


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
@pytest.mark.parametrize("name", ["x.zip", "x.zip.age"])
def test_an_export_that_ends_early_leaves_nothing(
    photovault, photos: Path, tmp_path: Path, monkeypatch, error, name
) -> None:
    pieces = export._add

    def ends(archive, one, data) -> None:
        if "movie" in one.name:
            data = _ending(data, error)
        pieces(archive, one, data)

    monkeypatch.setattr(export, "_add", ends)
    seal = ["--recipient", str(pyrage.x25519.Identity.generate().to_public())] if name.endswith("age") else []
    done = photovault("export", *seal, "--to", tmp_path / name)
    assert done.code == (130 if isinstance(error, KeyboardInterrupt) else 1), done.err
    assert not (tmp_path / name).exists()
    assert left_over(tmp_path) == []


def _ending(data, error):
    yield b"first bytes"
    raise error


def test_damage_costs_only_the_files_that_need_it(
    photovault: Callable, photos: Path, vault: Path, tmp_path: Path
) -> None:
    packs = sorted((vault / "packs").rglob("*"), key=lambda path: path.stat().st_size if path.is_file() else 0)
    data = bytearray(packs[-1].read_bytes())
    data[len(data) // 2] ^= 1
    packs[-1].chmod(0o600)
    packs[-1].write_bytes(data)
    done = photovault("export", "--to", tmp_path / "x.zip", "--json")
    assert done.code == 13, done.err
    lost = [one["path"] for one in done.json["damaged"]]
    with zipfile.ZipFile(tmp_path / "x.zip") as archive:
        assert archive.testzip() is None
        assert not set(lost) & set(archive.namelist())
        assert len(archive.namelist()) == done.json["files"] > 0
    assert len(lost) == 1


def test_large_files_are_checked_before_they_go_in(
    photovault, photos: Path, vault: Path, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setattr(export, "_WHOLE", 1_000_000)
    assert photovault("export", "Pictures/movie.mp4", "--to", tmp_path / "x.zip").code == 0
    with zipfile.ZipFile(tmp_path / "x.zip") as archive:
        assert archive.read("Pictures/movie.mp4") == (photos / "movie.mp4").read_bytes()
    (tmp_path / "deeper").mkdir()
    test_damage_costs_only_the_files_that_need_it(photovault, photos, vault, tmp_path / "deeper")


def test_a_dry_run_counts_and_writes_nothing(photovault: Callable, photos: Path, tmp_path: Path) -> None:
    planned = photovault("export", "--sealed", "--to", tmp_path / "x.age", "-n", "--json").json
    assert list(tmp_path.glob("x*")) == []
    key = str(pyrage.x25519.Identity.generate().to_public())
    assert planned == photovault("export", "--recipient", key, "--to", tmp_path / "x.age", "--json").json | {
        "dry_run": True
    }


def test_what_matches_nothing_and_places_in_the_vault(
    photovault: Callable, photos: Path, vault: Path, tmp_path: Path
) -> None:
    assert photovault("export", "Pictures/nothing", "--to", tmp_path / "x.zip").code == 1
    assert photovault("export", "--to", vault / "x.zip").code == 2
    assert photovault("export", "--to", tmp_path / "gone" / "x.zip").code == 1
