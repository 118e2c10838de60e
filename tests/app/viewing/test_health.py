"""Whether the photos are safe, of real vaults: it must say what `status` says, and wait for nobody."""

from __future__ import annotations

import shutil
import threading
import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from photovault.app.keys import test_key as try_key
from photovault.app.viewing import health as room
from photovault.app.viewing.health import Healths
from photovault.app.viewing.jobs import Jobs
from photovault.errors import BusyError, NoVaultError, PhotovaultError, UsageError
from photovault.evidence import Evidence
from tests.app.viewing.test_jobs import ended
from tests.support.devices import WORDS, Computer
from tests.support.photos import jpeg, put

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class House:
    """A vault with a backup of six photos, and somebody who asks how it stands."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.photos = folder, folder / "Pictures"
        for number in range(6):
            put(self.photos / f"{number}.jpg", jpeg(number))
        self.computer = Computer(folder / "device", folder / "vault")
        self.config(f'[vault]\nurl = "{folder}/vault"\n')
        self.computer.make_vault()
        self.backup()
        self.open()

    def config(self, text: str) -> None:
        (self.computer.folder / "config.toml").write_text(f'{text}\n[[sources]]\npath = "{self.photos}"\n')

    def backup(self) -> None:
        self.computer.backup(self.photos)

    def open(self) -> None:
        app = self.computer.app()
        self.jobs = Jobs(app.world.random)
        self.healths = Healths(app, self.jobs)

    def health(self):
        return self.healths.health(fresh=True)

    def close(self) -> None:
        self.jobs.close()
        self.healths.close()


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with closing(House(tmp_path)) as made:
        yield made


def test_a_fresh_backup_is_protected(house: House) -> None:
    health = house.health()
    assert (health.protected, health.word, health.files, health.snapshots, health.pending) == (
        True,
        "protected",
        6,
        1,
        0,
    )
    assert health.age is not None
    assert health.age < 60
    assert health.overdue_after == 7 * 86400
    assert (health.signs, health.problems) == ((), ())
    (main,) = health.destinations
    assert (main.name, main.address, main.state, main.files, main.proven) == (
        "main",
        str(house.folder / "vault"),
        "protected",
        6,
        0,
    )
    assert main.proof.startswith("never proven")
    assert health.fingerprint


def test_what_waits_is_counted_and_what_cannot_be_read_is_named(house: House) -> None:
    put(house.photos / "new.jpg", jpeg(50))
    assert (house.health().word, house.health().pending) == ("protected", 1)
    house.photos.rename(house.folder / "away")
    health = house.health()
    assert (health.protected, health.word) == (False, "incomplete")
    (problem,) = health.problems
    assert problem[0].startswith(f"{house.photos}: ")


def test_a_backup_too_long_ago_is_overdue(house: House) -> None:
    house.computer.sleep(days=8)
    health = house.health()
    assert (health.protected, health.word) == (False, "overdue")
    assert health.age == pytest.approx(8 * 86400, abs=600)


def test_a_device_without_a_backup_is_not_protected(house: House, tmp_path: Path) -> None:
    other = Computer(tmp_path / "other", house.folder / "vault", seed="other")
    words = put(tmp_path / "words.txt", " ".join(_words()).encode())
    with closing(Healths(other.app(words_file=str(words)), house.jobs)) as healths:
        health = healths.health()
    assert (health.protected, health.word, health.since, health.age) == (False, "not protected", "", None)
    assert health.destinations[0].state == "empty"


def _words():
    from photovault.crypto.words import to_words

    return to_words(WORDS)


def test_a_drill_is_a_job_and_what_it_proved_is_told(house: House) -> None:
    assert house.healths.health().days == {}
    job = ended(house.jobs, house.healths.drill(4))
    assert (job.state, job.kind, job.title) == ("done", "drill", "Prove 4 photos")
    assert job.lines[0].startswith("proven: 4 of 4 photos tried, ")
    health = house.healths.health()  # what was known before says nothing any more
    today = house.computer.app().world.now().date().isoformat()
    assert (health.destinations[0].proven, health.destinations[0].percent, health.days) == (4, 66, {today: 4})
    assert health.destinations[0].proof.startswith("proven 66 % within 12 months")
    for number in (0, -1, 10**9):
        with pytest.raises(UsageError):
            house.healths.drill(number)


def test_damage_that_a_drill_finds_is_named_with_what_to_do(house: House) -> None:
    for pack in (house.folder / "vault" / "packs").rglob("*"):
        if pack.is_file():
            pack.chmod(0o600)
            data = bytearray(pack.read_bytes())
            data[len(data) // 3] ^= 1
            pack.write_bytes(bytes(data))
    job = ended(house.jobs, house.healths.drill(6))
    assert job.state == "partly"
    assert all(hint for what, hint in job.problems if "damaged" in what)
    health = house.health()
    assert (health.protected, health.word) == (False, "damaged")
    assert len(health.destinations[0].damaged) == sum("damaged" in what for what, _ in job.problems)
    assert health.signs


def test_a_second_place_that_lacks_snapshots_is_behind_and_one_that_is_away_is_not_reached(house: House) -> None:
    copy = house.folder / "stick"
    shutil.copytree(house.folder / "vault", copy)
    places = "".join(
        f'[[destinations]]\nname = "{name}"\nurl = "{url}"\n'
        for name, url in (("stick", copy), ("away", house.folder / "none"))
    )
    house.config(f'[vault]\nurl = "{house.folder}/vault"\n{places}')
    put(house.photos / "new.jpg", jpeg(50))
    house.backup()
    house.open()
    health = house.health()
    found = {one.name: one for one in health.destinations}
    assert {name: one.state for name, one in found.items()} == {
        "main": "protected",
        "stick": "behind",
        "away": "not reached",
    }
    assert "photovault copy --to stick" in found["stick"].said
    assert health.protected


def test_a_vault_that_cannot_be_reached_leaves_what_this_device_remembers(house: House) -> None:
    first = house.health()
    (house.folder / "vault").rename(house.folder / "elsewhere")
    health = house.health()
    assert (health.protected, health.word) == (False, "not reached")
    assert "cannot be reached" in health.signs[0][0]
    (main,) = health.destinations
    assert main.state == "not reached"
    assert "it has snapshot" in main.said
    assert health.since[:16] == first.since[:16]
    assert health.keys == ()
    shutil.rmtree(house.computer.folder / "state")
    with pytest.raises(NoVaultError):
        house.health()


def test_keys_say_when_they_were_tested_and_which_are_due(house: House) -> None:
    assert {one.kind: (bool(one.tested), one.due) for one in house.health().keys} == {
        "words": (False, True),
        "device": (False, False),
    }
    try_key(house.computer.app(), WORDS)
    assert {one.kind: (bool(one.tested), one.due) for one in house.health().keys} == {
        "words": (True, False),
        "device": (False, False),
    }
    house.computer.sleep(days=400)
    assert {one.kind: one.due for one in house.health().keys} == {"words": True, "device": False}


def test_guards_are_told_in_words_and_whether_one_stopped_the_last_backup(house: House) -> None:
    guards = dict(house.health().guards)
    assert guards["Gone"] == "stops a backup when more than 30 % of the files are gone, 20 at least"
    assert guards["Last backup"] == "was stopped by none of them"
    (path,) = (house.computer.folder / "state" / "vaults").glob("*/*/evidence.sqlite")
    with closing(Evidence(path)) as evidence:
        evidence.stop("5 of 6 files are gone", "2026-01-02T03:04:05Z")
    health = house.health()
    assert dict(health.guards)["Last backup"] == "was stopped: 5 of 6 files are gone"
    assert (health.protected, health.word) == (False, "in doubt")
    house.config(f'[vault]\nurl = "{house.folder}/vault"\n[guards]\nlost = 100\nleast = 0\n')
    house.open()
    guards = dict(house.health().guards)
    assert (guards["Gone"], guards["Changed"]) == (
        "never stops a backup",
        "stops a backup when more than 30 % of the files were changed",
    )


def test_it_says_what_status_says(house: House, photovault, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in house.computer.environ.items():
        monkeypatch.setenv(name, value)
    health, status = house.health(), photovault("status", "--json").json
    assert (health.files, health.size, health.snapshots, health.fingerprint) == (
        status["files"], status["bytes"], status["snapshots"], status["fingerprint"],
    )  # fmt: skip


# Who asks -------------------------------------------------------------------------------------------------------------


def test_a_look_counts_for_a_minute_and_is_made_once_for_all_who_ask(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks, real, go = [], room.condition, threading.Event()

    def look(app):
        looks.append(app)
        go.wait(20)
        return real(app)

    monkeypatch.setattr(room, "condition", look)
    clock = [1000.0]
    app = house.computer.app()
    object.__setattr__(app.world, "clock", lambda: clock[0])
    healths = Healths(app, house.jobs)
    answers = []
    asking = [threading.Thread(target=lambda: answers.append(healths.health())) for _ in range(4)]
    for thread in asking:
        thread.start()
    assert healths.known() is None
    time.sleep(0.1)
    go.set()
    for thread in asking:
        thread.join(20)
    assert (len(looks), len(answers), len(set(map(id, answers)))) == (1, 4, 1)
    clock[0] += 59
    assert healths.known() is answers[0] is healths.health()
    clock[0] += 2
    assert healths.known() is None
    healths.health()
    assert len(looks) == 2
    assert looks[0] is not app


def test_a_storage_that_does_not_answer_keeps_nobody_waiting(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    go = threading.Event()
    real = room.condition
    monkeypatch.setattr(room, "condition", lambda app: go.wait(20) and real(app))
    healths = Healths(house.computer.app(), house.jobs, patience=0.05)
    with pytest.raises(BusyError):
        healths.health()
    go.set()
    until = time.monotonic() + 20
    while healths.known() is None and time.monotonic() < until:
        time.sleep(0.01)
    assert healths.known() is not None, "the look went on, and what it saw is there for the next who asks"


def test_what_a_look_raises_is_told_to_who_asks_and_the_next_one_looks_again(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = room.condition

    def fail(app):
        raise PhotovaultError("the disk hums", "wait")

    monkeypatch.setattr(room, "condition", fail)
    with pytest.raises(PhotovaultError, match="hums"):
        house.healths.health()
    monkeypatch.setattr(room, "condition", real)
    assert house.healths.health().protected


def test_nothing_is_known_any_more_once_it_is_closed(house: House) -> None:
    house.health()
    house.healths.close()
    assert house.healths.known() is None
    with pytest.raises(PhotovaultError, match="locked"):
        house.healths.health()
