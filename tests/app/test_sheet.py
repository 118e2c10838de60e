"""The sheet of paper: nothing on it from outside, the words only if they open the vault, nothing that a browser would fetch or run."""

from __future__ import annotations

import os
import re
from itertools import pairwise

import pytest

from photovault.app.sheet import Sheet, render
from tests.support.photos import jpeg, put

WORDS = tuple(f"word{number}" for number in range(24))


def sheet(**more):
    values = {
        "addresses": ("/mnt/disk/vault", "s3://bucket/copy"),
        "computer": "desk",
        "vault_id": "ab" * 16,
        "made": "2026-11-23",
        "newest": "2026-11-22T10:00 UTC, 74 files",
        "fingerprint": "6e2b 508b",
    }
    return Sheet(**values | more)


def test_it_says_where_the_vault_and_its_copies_are_and_what_it_showed():
    page = render(sheet())
    for text in (
        "/mnt/disk/vault, on the computer desk",
        "s3://bucket/copy",
        "ab" * 16,
        "6e2b 508b",
        "74 files",
        "RECOVER.txt",
    ):
        assert text in page


def test_without_words_there_are_24_lines_to_write_on():
    page = render(sheet())
    assert page.count("<li><span></span></li>") == 24
    assert page.count("<figure>") == 1


def test_with_words_they_stand_in_order_and_can_be_scanned():
    page = render(sheet(words=WORDS))
    assert re.findall(r"<li><span>(\w+)</span></li>", page) == list(WORDS)
    assert page.count("<figure>") == 2


def test_a_hostile_name_is_text_and_nothing_is_fetched():
    page = render(sheet(addresses=("/mnt/<script>alert(1)</script>",), computer="<img src=x>"))
    assert "<script" not in page
    assert "<img" not in page
    assert "default-src 'none'" in page
    assert re.findall(r"<[^>]*(?:src|href)=", page) == []


def test_the_command_makes_a_private_file_and_never_replaces_one(photovault, vault, tmp_path):
    put(tmp_path / "P" / "a.jpg", jpeg(1))
    assert photovault("backup", tmp_path / "P").code == 0
    to = tmp_path / "sheet.html"
    done = photovault("key", "sheet", "--to", to, "--json")
    assert (done.code, done.json["words"]) == (0, False)
    assert os.stat(to).st_mode & 0o077 == 0
    shown = photovault("snapshots", "--json").json["fingerprint"]
    assert shown
    assert shown in to.read_text()
    again = photovault("key", "sheet", "--to", to)
    assert (again.code, "is there already" in again.err) == (2, True)


def test_words_are_on_it_only_if_they_open_the_vault(photovault, vault, tmp_path):
    words = re.findall("[a-z]+", (tmp_path / "words.txt").read_text())
    done = photovault("key", "sheet", "--words-file", tmp_path / "words.txt", "--to", tmp_path / "sheet.html")
    assert done.code == 0
    assert re.findall(r"<li><span>(\w+)</span></li>", (tmp_path / "sheet.html").read_text()) == words
    said = (done.out + done.err).split()  # "open", "file" and others of the list are said anyway
    assert not set(pairwise(words)) & set(pairwise(said))
    (tmp_path / "wrong.txt").write_text(" ".join(["abandon"] * 23 + ["art"]))
    done = photovault("key", "sheet", "--words-file", tmp_path / "wrong.txt", "--to", tmp_path / "wrong.html")
    assert (done.code, (tmp_path / "wrong.html").exists()) == (12, False)


def test_a_full_disk_leaves_no_half_of_it(photovault, vault, tmp_path, monkeypatch):
    def full(_fd):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("photovault.cli.init.sync", full)
    done = photovault("key", "sheet", "--to", tmp_path / "sheet.html")
    assert (done.code, "No space left" in done.err) == (1, True)
    assert not (tmp_path / "sheet.html").exists()


@pytest.mark.parametrize("count", [1, 300])
def test_many_copies_still_make_a_code(count):
    render(sheet(addresses=tuple(f"s3://bucket/copy-{number}" for number in range(count))))
