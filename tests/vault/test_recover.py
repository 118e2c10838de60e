"""recover.py, which lies in every vault, restores without photovault. Vaults are made through the command line."""

import ast
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import unicodedata
from pathlib import Path

import pytest
from mnemonic import Mnemonic

from photovault.crypto.words import to_words
from photovault.facts import Facts
from photovault.model import Counts, Entry, EntryKind
from photovault.storage.folder import FolderStorage
from photovault.vault import format as fmt
from photovault.vault.format import PartKind
from photovault.vault.writer import Writer
from photovault.workers import Workers
from tests.support.djxl import fake_djxl
from tests.support.programs import needed
from tests.support.world import WORDS, make_vault
from tests.vault.some import add
from tests.vault.some import snapshot as some_snapshot
from tests.vectors import make

DOCUMENTS = Path(__file__).parents[2] / "photovault" / "vault" / "documents"
RECOVER = DOCUMENTS / "recover.py"
PASSWORD = unicodedata.normalize("NFC", "Grüße aus dem Süden 1987")
BIG = 9 << 20


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A folder with src, a vault of it, the words and the password; tests must copy the vault to change it."""
    base = tmp_path_factory.mktemp("recover")
    make_source(base / "src")
    (base / "password").write_text(PASSWORD + "\n", encoding="utf-8")
    vault = ["--vault", str(base / "vault")]
    photovault(base, "init", *vault, "--words-file", str(base / "words"), "--password-file", str(base / "password"))
    photovault(base, "backup", str(base / "src"), *vault, "--all-files")
    return base


def make_source(source):
    (source / "sub" / "empty folder").mkdir(parents=True)
    (source / "big.mov").write_bytes(os.urandom(BIG))
    (source / "small.jpg").write_bytes(b"small")
    (source / "empty").write_bytes(b"")
    (source / "sub" / "ümlaut \x1b\n name.jpg").write_bytes(b"odd")
    if sys.platform == "linux":
        Path(os.fsdecode(os.fsencode(source / "sub") + b"/not \xff utf-8.jpg")).write_bytes(b"odder")
    (source / "sub" / "link").symlink_to("../small.jpg")
    (source / "small.jpg").chmod(0o640)
    os.utime(source / "small.jpg", ns=(1_234_567_890_123_456_789,) * 2)
    os.utime(source / "sub", ns=(1_000_000_000_000_000_000,) * 2)


def photovault(base, *arguments):
    names = ("STATE_DIR", "CACHE_DIR", "CONFIG")
    places = {f"PHOTOVAULT_{name}": str(base / name.lower()) for name in names}
    environment = {**os.environ, **places, "PHOTOVAULT_NO_KEYRING": "1"}
    command = [sys.executable, "-m", "photovault", *arguments]
    subprocess.run(command, env=environment, check=True, stdin=subprocess.DEVNULL, capture_output=True)


def recover(*arguments, code=0):
    """Run recover.py; return what it said on stderr."""
    command = [sys.executable, "-I", str(RECOVER), *map(str, arguments)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    said = done.stderr.decode(errors="replace")
    assert "Traceback" not in said
    assert done.returncode == code, said
    return said


def tree(folder):
    """What a user sees in a folder: names, content or target, mode and time."""
    found = {}
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        content = str(path.readlink()) if path.is_symlink() else path.is_file() and path.read_bytes()
        rest = () if path.is_symlink() else (status.st_mode & 0o777, status.st_mtime_ns)
        found[str(path.relative_to(folder))] = (content, *rest)
    return found


def changed(path, at):
    """Flip one bit of a file, counted from its end where `at` is negative."""
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


@pytest.fixture
def vault(world, tmp_path):
    """A copy of the vault that a test may damage."""
    return shutil.copytree(world / "vault", tmp_path / "vault")


def the_pack(vault):
    return max(vault.glob("packs/*/*"), key=lambda path: path.stat().st_size)


def test_words_restore_everything(world, tmp_path):
    recover(world / "vault", tmp_path / "out", "--words-file", world / "words")
    assert tree(tmp_path / "out" / "src") == tree(world / "src")


def test_password_restores_everything_in_either_unicode_form(world, tmp_path):
    (tmp_path / "password").write_text(unicodedata.normalize("NFD", PASSWORD), encoding="utf-8")
    recover(world / "vault", tmp_path / "out", "--password-file", tmp_path / "password")
    assert tree(tmp_path / "out" / "src") == tree(world / "src")


def test_four_letters_of_each_word_are_enough(world, tmp_path):
    words = [word for word in (world / "words").read_text().split() if word.isalpha()]
    (tmp_path / "words").write_text(", ".join(f"{place}) {word[:4].upper()}" for place, word in enumerate(words, 1)))
    recover(world / "vault", "--list", "--words-file", tmp_path / "words")


def test_all_2048_words_are_known():
    english = Mnemonic("english")
    for start in range(0, 2048, 23):
        places = [min(place, 2047) for place in range(start, start + 23)]
        entropy = int("".join(f"{place:011b}" for place in places) + "000", 2).to_bytes(32, "big")
        assert loaded().secret_of_words(english.to_mnemonic(entropy)) == entropy


@pytest.mark.parametrize("words", ["", "abandon " * 24, "abandon " * 23 + "xyzzy", "abandon " * 23 + "art"])
def test_wrong_words_are_refused(world, tmp_path, words):
    (tmp_path / "words").write_text(words)
    recover(world / "vault", tmp_path / "out", "--words-file", tmp_path / "words", code=12)


def test_wrong_password_is_refused(world, tmp_path):
    (tmp_path / "password").write_text("not it")
    recover(world / "vault", tmp_path / "out", "--password-file", tmp_path / "password", code=12)
    assert not (tmp_path / "out").exists()


def test_damage_costs_only_the_file_that_needs_the_bytes(world, vault, tmp_path):
    changed(the_pack(vault), 5 << 20)
    said = recover(vault, tmp_path / "out", "--words-file", world / "words", code=13)
    want = tree(world / "src")
    want.pop("big.mov")
    assert "big.mov" in said
    assert tree(tmp_path / "out" / "src") == want


def test_a_damaged_trailer_costs_nothing_while_there_is_an_index(world, vault, tmp_path):
    changed(the_pack(vault), -1)
    recover(vault, tmp_path / "out", "--words-file", world / "words")
    assert tree(tmp_path / "out" / "src") == tree(world / "src")


def test_no_index_is_needed(world, vault, tmp_path):
    shutil.rmtree(vault / "index")
    recover(vault, tmp_path / "out", "--words-file", world / "words")
    assert tree(tmp_path / "out" / "src") == tree(world / "src")


@pytest.mark.parametrize("at", [0, 6, 7, 20, 50, 90, 5000, -1])
def test_a_damaged_snapshot_is_named(world, vault, tmp_path, at):
    (snapshot,) = vault.glob("snapshots/*")
    changed(snapshot, at)
    assert snapshot.name in recover(vault, tmp_path / "out", "--words-file", world / "words", code=13)


def test_a_damaged_slot_is_skipped(world, vault, tmp_path):
    damaged = next(path for path in vault.glob("keys/*") if b'"kind":"password"' in path.read_bytes())
    changed(damaged, 100)
    assert damaged.name in recover(vault, tmp_path / "out", "--words-file", world / "words")


def test_a_slot_that_wants_too_much_memory_is_not_tried(world, vault, tmp_path):
    slot = next(path for path in vault.glob("keys/*") if b'"kind":"password"' in path.read_bytes())
    slot.write_bytes(slot.read_bytes().replace(b'"memory_kib":262144', b'"memory_kib":99999999'))
    said = recover(vault, tmp_path / "out", "--password-file", world / "password", code=12)
    assert "out of bounds" in said


def test_a_snapshot_that_tells_of_other_storages_is_read(world, vault, tmp_path):
    photovault(world, "backup", str(world / "src"), "--vault", str(vault), "--all-files")
    assert len(list(vault.glob("snapshots/*"))) == 2
    recover(vault, tmp_path / "out", "--words-file", world / "words")
    assert tree(tmp_path / "out" / "src") == tree(world / "src")


def test_vault_json_may_be_missing(world, vault, tmp_path):
    (vault / "vault.json").unlink()
    assert "vault.json" in recover(vault, tmp_path / "out", "--words-file", world / "words")
    assert tree(tmp_path / "out" / "src") == tree(world / "src")


def test_another_version_is_refused_before_anything_is_written(world, vault, tmp_path):
    header = vault / "vault.json"
    header.write_bytes(header.read_bytes().replace(b'"version":1', b'"version":2'))
    recover(vault, tmp_path / "out", "--words-file", world / "words", code=1)
    assert not (tmp_path / "out").exists()


def test_nothing_is_overwritten(world, tmp_path):
    target = tmp_path / "out" / "src" / "small.jpg"
    target.parent.mkdir(parents=True)
    target.write_text("mine")
    assert "small.jpg" in recover(world / "vault", tmp_path / "out", "--words-file", world / "words", code=3)
    assert target.read_text() == "mine"
    assert (tmp_path / "out" / "src" / "big.mov").stat().st_size == BIG


def test_a_link_in_the_way_is_not_followed(world, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "src").symlink_to(tmp_path / "elsewhere")
    recover(world / "vault", tmp_path / "out", "--words-file", world / "words", code=3)
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_no_vault_there(world, tmp_path):
    (tmp_path / "nothing").mkdir()
    recover(tmp_path / "nothing", tmp_path / "out", "--words-file", world / "words", code=10)


@pytest.mark.parametrize("arguments", [(), ("out",), ("out", "--words-file", "missing"), ("out", "--snapshot", "x")])
def test_usage(world, arguments):
    recover(world / "vault", *arguments, code=2)


def test_it_never_writes_into_the_vault(world, vault):
    recover(vault, vault / "packs" / "out", "--words-file", world / "words", code=2)


def test_the_list_names_the_snapshot(world):
    (snapshot,) = (world / "vault").glob("snapshots/*")
    command = [sys.executable, str(RECOVER), str(world / "vault"), "--list", "--words-file", str(world / "words")]
    assert snapshot.name[:12] in subprocess.run(command, capture_output=True, check=True, text=True).stdout


@pytest.mark.parametrize("name", ["", ".", "..", "../../x", "/etc/x", "a\0b"])
def test_hostile_names_stay_in_their_folder(name, capsys):
    entry = {"kind": "link", "mode": 0, "mtime": 0, "name": name, "target": "x"}
    safe = loaded().Vault("").safe_name("", entry, "folder")
    assert safe not in ("", ".", "..")
    assert not set(safe) & set("/\0")
    assert safe in capsys.readouterr().err


def loaded():
    specification = importlib.util.spec_from_file_location("recover", RECOVER)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


# Photos that are stored as JPEG XL.


METADATA = make.JPEG[:2] + b"\xff\xfe\x00\x07hello" + make.JPEG[2 : make.TABLES]
IMAGE = make.JPEG[make.TABLES :]
PACKED = {"a.jpg": METADATA + IMAGE, "b.jpg": make.JPEG}
PLAIN = {"plain.png": b"not a JPEG", "twin.jpg": make.JPEG[:30]}


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    """A vault with photos in groups of two parts and of one, plain files beside them, and a thumbnail; and the words."""
    base = tmp_path_factory.mktemp("packed")
    vault = make_vault(base, FolderStorage(base / "vault"))
    with Workers(1) as workers:
        writer = Writer(vault, workers)
        ids = {data: vault.keyring.part_id(PartKind.CONTENT, data) for data in (IMAGE[:20], IMAGE[20:], make.JPEG)}
        parts = {name: [add(writer, vault, data)] for name, data in PLAIN.items()}
        pieces = [IMAGE[:20], IMAGE[20:]]
        for group in (make.group(pieces, make.TABLES, vault.keyring), make.group([make.JPEG], 0, vault.keyring)):
            writer._add(group)  # which is too small a photo to become smaller
        parts |= {"a.jpg": [add(writer, vault, METADATA), *(ids[data] for data in pieces)], "b.jpg": [ids[make.JPEG]]}
        thumbnail = writer.add_thumbnail(b"not a photo")
        files = PACKED | PLAIN
        entries = [file_entry(name, files[name], parts[name], thumbnail) for name in sorted(files)]
        size = sum(map(len, files.values()))
        inner = [writer.add_listing(page) for page in pages_of(entries)]
        top = Entry(name=b"src", kind=EntryKind.FOLDER, mode=0o755, mtime_ns=0, parts=tuple(inner), size=size, files=4)
        root = [writer.add_listing(page) for page in pages_of([top])]
        writer.finish()
        vault.commit(some_snapshot(root=tuple(root), counts=Counts(files=4, size=size)))
    vault.places.close()
    (base / "words").write_text(" ".join(to_words(WORDS)))
    return base


def file_entry(name, data, parts, thumbnail):
    return Entry(
        name=name.encode(),
        kind=EntryKind.FILE,
        mode=0o644,
        mtime_ns=0,
        size=len(data),
        digest=hashlib.sha256(data).digest(),
        parts=tuple(parts),
        facts=Facts(kind="jpeg", thumbnail=thumbnail),
    )


def pages_of(entries):
    return fmt.encode_pages((entry.name, fmt.encode_entry(entry)) for entry in entries)


def run_here(packed, out, monkeypatch, capsys, *, library=None, program=None):
    """Run recover.py in this process, with or without what decodes JPEG XL: exit code, what it said, what is there."""
    module = loaded()
    module.imagecodecs, module.DJXL = library, program
    monkeypatch.setattr(
        sys, "argv", ["recover.py", str(packed / "vault"), str(out), "--words-file", str(packed / "words")]
    )
    code = module.main()
    there = {path.name: path.read_bytes() for path in (out / "src").iterdir()}
    return code, capsys.readouterr().err, there


def test_photos_stored_as_jpeg_xl_are_restored(packed, tmp_path):
    recover(packed / "vault", tmp_path / "out", "--words-file", packed / "words")
    assert {path.name: path.read_bytes() for path in (tmp_path / "out" / "src").iterdir()} == PACKED | PLAIN


@pytest.mark.parametrize("real", [False, True])
def test_djxl_decodes_them_too_and_leaves_nothing_behind(real, packed, tmp_path, monkeypatch, capsys):
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    program = needed("djxl") if real else str(fake_djxl(tmp_path) / "djxl")
    code, said, there = run_here(packed, tmp_path / "out", monkeypatch, capsys, program=program)
    assert (code, there) == (0, PACKED | PLAIN), said
    assert list((tmp_path / "tmp").iterdir()) == []


def test_without_a_decoder_all_other_files_are_restored_and_it_says_what_to_install(
    packed, tmp_path, monkeypatch, capsys
):
    code, said, there = run_here(packed, tmp_path / "out", monkeypatch, capsys)
    assert (code, there) == (3, PLAIN)
    for name in PACKED:
        (line,) = [line for line in said.splitlines() if name in line]
        assert "Install djxl, or: python -m pip install imagecodecs" in line


@pytest.mark.parametrize("wrong", ["fails", "other", "longer", "none"])
def test_a_decoder_that_errs_costs_only_what_it_decodes(wrong, packed, tmp_path, monkeypatch, capsys):
    scripts = {
        "fails": "exit 1",
        "other": "head -c 344 /dev/zero >$2",
        "longer": "head -c 999 $0 >$2",
        "none": "exit 0",
    }
    program = tmp_path / "djxl"
    program.write_text(f"#!/bin/sh\n{scripts[wrong]}\n")
    program.chmod(0o755)
    code, said, there = run_here(packed, tmp_path / "out", monkeypatch, capsys, program=str(program))
    assert (code, there) == (13, PLAIN)
    assert all(name in said for name in PACKED)


def test_damage_in_a_group_costs_the_files_that_need_it(packed, tmp_path):
    vault = shutil.copytree(packed / "vault", tmp_path / "vault")
    pack = next(path for path in vault.glob("packs/*/*") if len(path.read_bytes()) == 2**14)
    at = 112 + sum(len(data) + 16 for data in PLAIN.values()) + 5  # in the first group
    changed(pack, at)
    said = recover(vault, tmp_path / "out", "--words-file", packed / "words", code=13)
    assert "a.jpg" in said
    there = {path.name: path.read_bytes() for path in (tmp_path / "out" / "src").iterdir()}
    assert there == PLAIN | {"b.jpg": make.JPEG}


def test_a_group_is_read_by_the_index_where_the_trailer_is_damaged(packed, tmp_path):
    vault = shutil.copytree(packed / "vault", tmp_path / "vault")
    for pack in vault.glob("packs/*/*"):
        changed(pack, -1)
    recover(vault, tmp_path / "out", "--words-file", packed / "words")
    assert {path.name: path.read_bytes() for path in (tmp_path / "out" / "src").iterdir()} == PACKED | PLAIN


def test_it_is_short_and_needs_only_cryptography():
    text = RECOVER.read_text(encoding="utf-8")
    names = set()
    for node in ast.walk(ast.parse(text, feature_version=(3, 9))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            names.add(node.module.split(".")[0])
    assert len(text.splitlines()) <= 460
    assert names - set(sys.stdlib_module_names) == {"cryptography", "imagecodecs"}
    assert "try:  # only for photos that are stored as JPEG XL" in text


def test_the_text_for_the_finder_names_what_he_needs():
    text = (DOCUMENTS / "RECOVER.txt").read_text(encoding="ascii")
    for word in ("24 recovery words", "password", "python.org", "install cryptography", "FORMAT.md", "--words-file"):
        assert word in text
    assert len(text.splitlines()) <= 100
