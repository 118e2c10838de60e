"""What left this computer, as the ledger says it, and the consent, with and without one."""

from __future__ import annotations

import json
import subprocess
import sys
import tracemalloc
from datetime import UTC, datetime, timedelta

import pytest

from photovault.app.viewing import privacy as viewing
from photovault.app.viewing.privacy import Privacies, Sums
from photovault.errors import RefusedError
from photovault.gate.door import Outbound
from photovault.gate.ledger import Ledger
from tests.support.folk import Folk
from tests.support.photos import jpeg, put

START = datetime(2026, 11, 1, 23, 0, tzinfo=UTC)


class Clock:
    def __init__(self):
        self.now = START

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "ledger.jsonl"


@pytest.fixture
def ledger(path, clock):
    return Ledger(path, clock)


@pytest.fixture
def sums(path):
    return Sums(path)


def rows(sums, limit=100):
    return [
        (one.day, one.kind, one.destination, one.objects, one.size, one.failed, one.removed)
        for one in sums.newest(limit)
    ]


# The ledger.


def test_without_a_ledger_nothing_left(sums):
    sums.add()
    assert (rows(sums), sums.kinds(), sums.broken(), sums.strange) == ([], {}, (), 0)


def test_what_left_is_what_was_sent_without_what_failed(sums, ledger, clock):
    ledger.sending("cellar", "pack", "packs/a", 100)
    ledger.sending("cellar", "pack", "packs/b", 50)
    ledger.failed("cellar", "pack", "packs/b", 50)
    ledger.sending("cloud", "index", "index/a", 7)
    ledger.found("cloud", "pack", "packs/c", 9)
    clock.now += timedelta(days=2)
    ledger.removed("cloud", "index", "index/a")
    sums.add()
    assert rows(sums) == [
        ("2026-11-03", "index", "cloud", 0, 0, 0, 1),
        ("2026-11-01", "index", "cloud", 1, 7, 0, 0),
        ("2026-11-01", "pack", "cellar", 1, 100, 1, 0),
    ]
    assert sums.kinds() == {"index": (1, 7), "pack": (1, 100)}


def test_what_failed_after_midnight_takes_nothing_from_that_day(sums, ledger, clock):
    ledger.sending("cellar", "pack", "packs/a", 100)
    clock.now += timedelta(hours=2)
    ledger.failed("cellar", "pack", "packs/a", 100)
    sums.add()
    assert [one.objects for one in sums.newest(9)] == [0, 1]
    assert sums.kinds() == {"pack": (0, 0)}


def test_it_is_read_on_from_where_it_was(sums, ledger, path, monkeypatch):
    ledger.sending("cellar", "pack", "packs/a", 100)
    sums.add()
    read = []
    take = sums._take
    monkeypatch.setattr(sums, "_take", lambda line: read.append(line.name) or take(line))
    sums.add()
    ledger.sending("cellar", "pack", "packs/b", 1)
    sums.add()
    assert read == ["packs/b"]
    assert sums.kinds() == {"pack": (2, 101)}
    assert sums.broken() == ()


def test_a_torn_line_is_read_when_it_is_whole(sums, ledger, path):
    ledger.sending("cellar", "pack", "packs/a", 100)
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    sums.add()
    assert sums.kinds() == {}
    path.write_bytes(whole)
    sums.add()
    assert sums.kinds() == {"pack": (1, 100)}


def test_another_file_in_its_place_is_read_anew(sums, ledger, path, tmp_path, clock):
    for number in range(3):
        ledger.sending("cellar", "pack", f"packs/{number}", 100)
    sums.add()
    other = tmp_path / "other.jsonl"
    Ledger(other, clock).sending("cloud", "index", "index/a", 5)
    other.replace(path)
    sums.add()
    assert sums.kinds() == {"index": (1, 5)}


def test_face_data_are_counted_and_not_claimed(sums, ledger):
    """A kind that the gate does not know is what face data would have to be."""
    for kind in Outbound:
        ledger.sending("cellar", kind, "x", 1)
    ledger.removed("cellar", "other", "x")
    sums.add()
    assert sums.strange == 0
    ledger.sending("cellar", "vector", "x", 512)
    ledger.found("cellar", "face", "x", 512)
    sums.add()
    assert sums.strange == 2


def test_a_break_of_the_chain_is_told(sums, ledger, path):
    for number in range(3):
        ledger.sending("cellar", "pack", f"packs/{number}", 100)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([lines[0], lines[2], lines[3]]))
    sums.add()
    assert sums.broken() == ("line 2 does not follow from the lines before it",)


def test_a_ledger_of_nonsense_is_told_in_few_words(sums, path):
    path.write_bytes(b"nonsense\n" * 5000)
    sums.add()
    assert len(sums.broken()) == 21
    assert sums.broken()[-1] == "and 4,980 more"


def test_memory_does_not_grow_with_the_ledger(path, monkeypatch):
    """By rows: a destination that is another in each line is the worst that there can be."""
    monkeypatch.setattr(viewing, "ROWS", 200)
    with path.open("w") as file:
        for number in range(3000):
            day = f"20{number // 60:02}-01-01T00:00:00.000000Z"
            fields = {"destination": f"d{number}", "event": "sending", "kind": f"k{number}", "name": "x", "previous": "",
                      "size": 1, "time": day}  # fmt: skip
            file.write(json.dumps(fields, sort_keys=True, separators=(",", ":")) + "\n")
    sums = Sums(path)
    tracemalloc.start()
    sums.add()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 500_000  # a megabyte, if nothing were dropped
    assert len(sums._rows) <= 200
    assert sums.newest(1)[0].day == "2049-01-01", "the oldest were dropped"
    assert sums.strange == 3000


def test_a_ledger_that_cannot_be_read_is_told(tmp_path):
    (tmp_path / "ledger.jsonl").mkdir()
    with pytest.raises(RefusedError):
        Sums(tmp_path / "ledger.jsonl").add()


# All of it.


@pytest.fixture
def folk(tmp_path):
    made = Folk(tmp_path)
    made.computer.make_vault()
    return made


@pytest.fixture
def privacies(folk):
    made = Privacies(folk.app())
    yield made
    made.close()


def test_what_a_backup_sends_is_what_is_told(folk, privacies, tmp_path):
    before = privacies.privacy()
    put(tmp_path / "Pictures" / "a.jpg", jpeg(1))
    folk.computer.backup(tmp_path / "Pictures")
    found = privacies.privacy()
    stored = [path for path in (tmp_path / "vault").rglob("*") if path.is_file()]
    told = sum(objects for objects, _ in found.kinds.values())
    assert told == len(stored)
    assert sum(size for _, size in found.kinds.values()) == sum(path.stat().st_size for path in stored)
    assert told > sum(objects for objects, _ in before.kinds.values())
    assert found.left[0].destination == str(tmp_path / "vault")
    assert (found.faces, found.broken) == (0, ())


def test_where_nobody_ever_agreed_the_consent_is_never_and_no_face_code_is_loaded(folk):
    privacy = Privacies(folk.app()).privacy()
    assert (privacy.consent, privacy.receipt, privacy.scope, privacy.days_left) == ("never", "", (), None)
    assert not folk.state.exists()
    program = (
        "import sys; from photovault.app.runs import App; from photovault.app.settings import Settings; "
        "from photovault.app.viewing.privacy import Privacies; "
        f"Privacies(App(Settings(vault={folk.computer.vault!r}))).privacy(); "
        "print([one for one in sys.modules if one.startswith(('numpy', 'apsw', 'cv2', 'photovault.people.store',"
        " 'photovault.people.engines', 'photovault.people.wall'))])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], env=folk.computer.environ, capture_output=True, text=True, check=False
    )
    assert done.stdout == "[]\n", done.stderr


def test_a_consent_is_told_with_its_term_and_its_receipt(folk, privacies):
    folk.agree()
    found = privacies.privacy()
    assert (found.consent, found.scope, found.why) == ("granted", (str(folk.album),), "")
    assert 363 <= found.days_left <= 366
    assert "you agreed that faces are grouped" in found.receipt


def test_erasing_leaves_nothing_but_a_receipt(folk, privacies):
    folk.agree()
    folk.fill()
    done = privacies.erase()
    assert "looked again: no face data and no key are left" in done
    assert "the face data were erased" in done
    assert not (folk.state / "faces.db").exists()
    assert not (folk.state / "face.key").exists()
    found = privacies.privacy()
    assert found.consent == "withdrawn"
    assert found.receipt.splitlines()[-1] in done, "the digest of the same entry"


def test_where_there_is_nothing_erasing_does_nothing(folk, privacies):
    assert privacies.erase() == "there was nothing to stop, and nothing to erase"
    assert not folk.state.exists()


def test_what_could_not_be_erased_is_told(folk, privacies, monkeypatch):
    folk.agree()
    folk.fill()
    monkeypatch.setattr("photovault.people.keeping.erase.shred", lambda path, **_: [f"{path}: busy"])
    done = privacies.erase()
    assert "NOT everything is erased" in done
    assert f"not erased: {folk.state / 'faces.db'}: busy" in done


def test_a_damaged_log_of_consents_is_told(folk, privacies):
    folk.agree()
    with (folk.state / "consent.jsonl").open("ab") as file:
        file.write(b"{}\n")
    found = privacies.privacy()
    assert found.consent == "lapsed"
    assert any("the consent log" in one for one in found.broken)
