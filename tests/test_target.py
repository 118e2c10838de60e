"""A restore stays in its folder, keeps what is there whole, and says what it could not do."""

from __future__ import annotations

import errno
import os
import stat
import threading
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from random import Random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from photovault import target as target_module
from photovault.errors import DamageError, RefusedError, StorageError
from photovault.names import PlannedName, plan_names, unsafe
from photovault.target import Pending, Target

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PLATFORMS = ["linux", "darwin", "win32"]
YEAR_2001 = 1_000_000_000_123_456_789
TEMPORARY = b".photovault-0123456789abcdef.tmp"


@pytest.fixture(params=["linux", "win32"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Target]:
    """Give an open target: once with open folders, once with the paths that stand in for them on Windows."""
    with Target(tmp_path / "out", platform=request.param) as made:
        yield made


def ready(target: Target, *parts: bytes, data: bytes = b"photo") -> Pending:
    """Write a file up to the point where only its name is missing."""
    pending = target.begin(parts, len(data))
    pending.write(data)
    pending.finish(mtime_ns=YEAR_2001, mode=0o644)
    return pending


def put(target: Target, *parts: bytes, data: bytes = b"photo") -> None:
    """Restore a file."""
    assert target.commit_all([ready(target, *parts, data=data)]) == []


def files_in(folder: Path) -> dict[str, bytes]:
    """Return every file below ``folder`` with its content."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


# Names


def names(raws: list[bytes], platform: str = "linux", *, folds_case: bool = False) -> list[bytes]:
    """Return only the planned names."""
    return [planned.name for planned in plan_names(raws, platform=platform, folds_case=folds_case)]


def test_ordinary_names_are_kept() -> None:
    raws = [b"b.jpg", b"a.jpg", b"caf\xe9 \n:*?.jpg", "Urlaub ä.jpg".encode(), b"CON", b"x" * 255]
    assert names(raws) == raws
    assert {planned.renamed for planned in plan_names(raws, platform="linux", folds_case=False)} == {None}


@pytest.mark.parametrize("raw", [b"", b".", b"..", b"/etc/passwd", b"../x", b"a/b", b"a\0b", b"x" * 256, TEMPORARY])
@pytest.mark.parametrize("platform", PLATFORMS)
def test_names_that_no_system_takes_are_replaced(raw: bytes, platform: str) -> None:
    [planned] = plan_names([raw], platform=platform, folds_case=False)
    assert planned.renamed is not None
    assert unsafe(planned.name, platform) is None
    assert b"~photovault-" in planned.name


@pytest.mark.parametrize(
    "raw",
    [
        *(b"a\\b", b"C:x", b"a.jpg:stream", b"a?.jpg", b"tab\t.jpg", b"dot.", b"space ", b"caf\xe9.jpg"),
        *(b"con", b"NUL.jpg", b"com1.tar.jpg", b"LPT9 .txt", "COM¹".encode(), b"CONIN$"),
    ],
)
def test_names_that_windows_does_not_take_are_replaced_there_only(raw: bytes) -> None:
    [planned] = plan_names([raw], platform="win32", folds_case=True)
    assert planned.renamed is not None
    assert unsafe(planned.name, "win32") is None
    assert names([raw], "linux") == [raw]


def test_a_new_name_keeps_the_readable_part_and_the_ending() -> None:
    assert names([b"a:b?.jpg"], "win32") == [b"a_b_~photovault-c392a7bc.jpg"]


def test_long_names_in_other_scripts_fit_where_the_limit_is_in_characters() -> None:
    raw = "写".encode() * 100  # 300 bytes
    assert names([raw], "win32") == [raw]
    [short] = names([raw], "linux")
    assert len(short) <= 255
    assert short.decode("utf-8").startswith("写写写")


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("IMG.jpg", "img.JPG"),
        ("é.jpg", unicodedata.normalize("NFD", "é.jpg")),
        ("ß", "SS"),
        ("\u0131", "I"),
        ("a\u200db", "ab"),
    ],
)
def test_names_that_fold_to_one_do_not_overwrite_each_other(one: str, two: str) -> None:
    raws = [one.encode(), two.encode()]
    planned = plan_names(raws, platform="linux", folds_case=True)
    keeper, other = sorted(planned, key=lambda name: name.raw)
    assert (keeper.name, keeper.renamed) == (keeper.raw, None)
    assert b"~photovault-" in other.name
    assert "disk" in (other.renamed or "")
    assert names(raws) == raws


def test_a_name_made_to_look_like_a_new_one_does_not_take_its_place() -> None:
    [new] = names([b"a:b"], "win32")
    planned = plan_names([b"a:b", new], platform="win32", folds_case=True)
    assert planned[1] == PlannedName(raw=new, name=new, renamed=None)
    assert planned[0].name != new


def test_the_same_name_many_times_gives_as_many_names() -> None:
    assert len(set(names([b"a.jpg"] * 3000))) == 3000


NAMES = st.lists(
    st.one_of(st.binary(max_size=12), st.text("aA.é\u0301:/ CONcon~", max_size=6).map(str.encode)), max_size=12
)


@given(NAMES, st.sampled_from(PLATFORMS), st.booleans(), st.randoms(use_true_random=False))
def test_all_names_are_safe_and_apart_whatever_the_listing(
    raws: list[bytes],
    platform: str,
    folds_case: bool,
    random: Random,
) -> None:
    planned = plan_names(raws, platform=platform, folds_case=folds_case)
    assert [name.raw for name in planned] == raws
    assert all(unsafe(name.name, platform) is None for name in planned)
    keys = {unicodedata.normalize("NFC", os.fsdecode(n.name)).lower() if folds_case else n.name for n in planned}
    assert len(keys) == len(raws)
    assert all((name.renamed is None) == (name.name == name.raw) for name in planned)
    shuffled = random.sample(raws, len(raws))
    again = plan_names(shuffled, platform=platform, folds_case=folds_case)
    assert sorted(n.name for n in again) == sorted(n.name for n in planned)


# Files


def test_a_file_gets_its_bytes_time_and_rights(target: Target) -> None:
    pending = target.begin((b"2001", b"trip", b"a.jpg"), 10)
    pending.write(b"12345")
    pending.write(memoryview(b"67890"))
    assert pending.commit(mtime_ns=YEAR_2001, mode=0o640) == ()
    info = (target.root / "2001/trip/a.jpg").stat()
    assert (info.st_mtime_ns, stat.S_IMODE(info.st_mode)) == (YEAR_2001, 0o640)
    assert files_in(target.root) == {"2001/trip/a.jpg": b"1234567890"}


def test_a_batch_is_whole_and_leaves_nothing_behind(target: Target) -> None:
    batch = [ready(target, b"%d" % (n % 3), b"%d.jpg" % n, data=b"x" * n) for n in range(50)]
    with ThreadPoolExecutor(8) as pool:
        assert target.commit_all(batch, pool.map) == []
    assert files_in(target.root) == {f"{n % 3}/{n}.jpg": b"x" * n for n in range(50)}


def test_no_file_has_its_name_before_all_bytes_are_durable(target: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[str] = []
    real_sync, real_replace = os.fsync, os.replace

    def sync(fd: int) -> None:
        real_sync(fd)
        events.append("folder" if stat.S_ISDIR(os.fstat(fd).st_mode) else "file")

    def replace(old: bytes, new: bytes, *, src_dir_fd: int | None, dst_dir_fd: int | None) -> None:
        real_replace(old, new, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)
        events.append("name")

    monkeypatch.setattr(os, "fsync", sync)
    monkeypatch.setattr(os, "replace", replace)
    target.commit_all([ready(target, b"a", b"%d" % n) for n in range(3)])
    assert events[:6] == ["file"] * 3 + ["name"] * 3
    assert events[6:] == (["folder"] * 2 if target.by_fd else [])  # "a", and the root that has got "a"


def test_a_file_that_is_there_is_replaced_whole_or_not_at_all(target: Target) -> None:
    put(target, b"a.jpg", data=b"old")
    pending = target.begin((b"a.jpg",), 3)
    pending.write(b"ne")
    assert (target.root / "a.jpg").read_bytes() == b"old"
    with pytest.raises(DamageError, match="2 bytes came, 3 were to come"):
        pending.finish(mtime_ns=0, mode=0o600)
    assert files_in(target.root) == {"a.jpg": b"old"}
    put(target, b"a.jpg", data=b"new")
    assert files_in(target.root) == {"a.jpg": b"new"}


def test_an_abandoned_file_leaves_nothing(target: Target) -> None:
    pending = target.begin((b"a.jpg",), 3)
    pending.write(b"new")
    pending.abandon()
    pending.abandon()
    assert files_in(target.root) == {}


def test_what_is_open_at_the_end_is_removed(tmp_path: Path) -> None:
    with Target(tmp_path / "out") as target:
        target.begin((b"a.jpg",), 3).write(b"new")
        assert len(files_in(tmp_path)) == 1
    assert files_in(tmp_path) == {}


def test_a_file_under_way_is_private(target: Target) -> None:
    target.begin((b"a", b"a.jpg"), 1)
    [path] = (target.root / "a").iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE((target.root / "a").stat().st_mode) == 0o700
    assert stat.S_IMODE(target.root.stat().st_mode) == 0o700


def test_rights_of_others_are_never_granted_by_setuid(target: Target) -> None:
    pending = target.begin((b"a",), 0)
    pending.commit(mtime_ns=0, mode=0o107_755)
    assert stat.S_IMODE((target.root / "a").stat().st_mode) == 0o755


def test_only_attributes_of_the_user_are_set(target: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    real = os.setxattr

    def setxattr(fd: int, name: str, value: bytes) -> None:
        asked.append(name)
        real(fd, name, value)

    monkeypatch.setattr(os, "setxattr", setxattr)
    pending = target.begin((b"a",), 0)
    wanted = [("user.note", b"hi"), ("security.capability", b"x"), ("com.apple.quarantine", b"x"), ("user.\0", b"x")]
    assert pending.commit(mtime_ns=0, mode=0o600, xattrs=wanted) == (
        "security.capability",
        "com.apple.quarantine",
        "user.\0",
    )
    assert os.listxattr(target.root / "a") == ["user.note"]
    assert all(name.startswith("user.") for name in asked)  # the system might have let root set the others


@pytest.mark.parametrize("mtime_ns", [10**40, -(10**40)])
def test_an_impossible_time_does_not_lose_the_photo(target: Target, mtime_ns: int) -> None:
    pending = target.begin((b"a",), 0)
    assert pending.commit(mtime_ns=mtime_ns, mode=0o600) == ("time",)
    assert files_in(target.root) == {"a": b""}


def test_many_threads_restore_into_the_same_folders(target: Target) -> None:
    start = threading.Barrier(8)

    def work(number: int) -> None:
        start.wait()
        for n in range(20):
            put(target, b"deep", b"%d" % n, b"%d.jpg" % number)
            target.sweep((b"deep", b"%d" % n))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert len(files_in(target.root)) == 160


def test_a_commit_without_finish_is_a_mistake_of_the_caller(target: Target) -> None:
    with pytest.raises(ValueError, match="finish"):
        target.commit_all([target.begin((b"a",), 0)])


# Escapes


@pytest.mark.parametrize("name", [b"..", b".", b"", b"/tmp/x", b"a/b", b"../../x", b"a\0", TEMPORARY])
def test_no_name_leads_out(target: Target, name: bytes) -> None:
    for attempt in (
        lambda: target.begin((name,), 1),
        lambda: target.begin((name, b"x"), 1),
        lambda: target.folder((b"a", name)),
        lambda: target.link((name,), b"x", 0),
        lambda: target.lstat((name,)),
        lambda: target.sweep((name,)),
        lambda: target.finish_folder((name,), mtime_ns=0, mode=0o700),
    ):
        with pytest.raises(RefusedError, match="cannot be restored under this name"):
            attempt()
    assert list(target.root.parent.iterdir()) == [target.root]


@pytest.mark.parametrize("there", ["link", "file"])
def test_a_link_or_file_in_place_of_a_folder_is_refused(target: Target, tmp_path: Path, there: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    if there == "link":
        (target.root / "a").symlink_to(outside)
    else:
        (target.root / "a").write_bytes(b"x")
    for attempt in (
        lambda: target.begin((b"a", b"x.jpg"), 1),
        lambda: target.folder((b"a", b"b")),
        lambda: target.link((b"a", b"x"), b"x", 0),
        lambda: target.lstat((b"a", b"x")),
        lambda: target.finish_folder((b"a",), mtime_ns=0, mode=0o700),
    ):
        with pytest.raises(RefusedError, match="is in the way") as caught:
            attempt()
        assert "never followed" in caught.value.hint
    assert list(outside.iterdir()) == []


def test_a_link_from_the_vault_is_stored_and_never_followed(target: Target, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    target.link((b"a",), os.fsencode(outside), YEAR_2001)
    assert (target.root / "a").readlink() == outside
    assert (target.root / "a").lstat().st_mtime_ns == YEAR_2001
    with pytest.raises(RefusedError):
        target.begin((b"a", b"x.jpg"), 1)


def test_a_file_replaces_a_link_and_not_what_it_points_at(target: Target, tmp_path: Path) -> None:
    outside = tmp_path / "precious"
    outside.write_bytes(b"precious")
    (target.root / "a.jpg").symlink_to(outside)
    put(target, b"a.jpg")
    assert outside.read_bytes() == b"precious"
    assert files_in(target.root) == {"a.jpg": b"photo"}


def test_a_folder_swapped_for_a_link_while_a_file_is_written_is_refused(target: Target, tmp_path: Path) -> None:
    pending = ready(target, b"a", b"x.jpg")
    (target.root / "a").rename(tmp_path / "moved")
    (target.root / "a").symlink_to(tmp_path)
    [(failed, error)] = target.commit_all([pending])
    assert failed is pending
    assert "in the way" in error.what
    assert not (tmp_path / "x.jpg").exists()


def test_a_folder_in_place_of_a_file_fails_that_file_only(target: Target) -> None:
    (target.root / "a.jpg").mkdir()
    batch = [ready(target, b"a.jpg"), ready(target, b"b.jpg")]
    [(failed, error)] = target.commit_all(batch)
    assert failed is batch[0]
    assert "in the way" in error.what
    assert files_in(target.root) == {"b.jpg": b"photo"}


@pytest.mark.parametrize("link", [b"", b"a\0b"])
def test_a_link_to_nowhere_is_refused(target: Target, link: bytes) -> None:
    with pytest.raises(RefusedError, match="points nowhere"):
        target.link((b"a",), link, 0)


def test_a_link_that_cannot_be_placed_leaves_nothing(target: Target) -> None:
    (target.root / "a").mkdir()
    with pytest.raises(RefusedError, match="in the way"):
        target.link((b"a",), b"x", 0)
    assert [path.name for path in target.root.iterdir()] == ["a"]


def test_a_thousand_folders_deep_is_refused(target: Target) -> None:
    with pytest.raises(RefusedError, match="too deep"):
        target.folder((b"a",) * 1000)


# Folders and the disk


def test_a_folder_gets_its_time_and_rights_at_the_end(target: Target) -> None:
    put(target, b"a", b"x.jpg")
    assert target.finish_folder((b"a",), mtime_ns=YEAR_2001, mode=0o4_750) == ()
    info = (target.root / "a").stat()
    assert (info.st_mtime_ns, stat.S_IMODE(info.st_mode)) == (YEAR_2001, 0o750)


def test_lstat_tells_what_is_there(target: Target) -> None:
    put(target, b"a", b"x.jpg", data=b"1234")
    target.link((b"l",), b"nowhere", 0)
    here, link = target.lstat((b"a", b"x.jpg")), target.lstat((b"l",))
    assert here is not None
    assert here.st_size == 4
    assert link is not None
    assert stat.S_ISLNK(link.st_mode)
    assert target.lstat((b"a", b"none")) is None
    assert target.lstat((b"none", b"none")) is None
    assert target.lstat(()) is not None


def test_left_over_files_of_a_crash_are_swept_and_nothing_else(target: Target) -> None:
    kept = [os.fsdecode(TEMPORARY) + "x", ".photovault-1.tmp", "photo.jpg"]
    target.folder((b"a",))
    for name in [os.fsdecode(TEMPORARY), *kept]:
        (target.root / "a" / name).write_bytes(b"")
    (target.root / "a" / ".photovault-ffffffffffffffff.tmp").mkdir()
    pending = ready(target, b"a", b"new.jpg")
    assert target.sweep((b"a",)) == 1
    assert target.sweep((b"none",)) == 0
    assert target.commit_all([pending]) == []
    assert sorted(files_in(target.root / "a")) == sorted([*kept, "new.jpg"])


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_says_where_and_how_much(target: Target, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    pending = target.begin((b"a.jpg",), 4_000_000)

    def write(_fd: int, _data: memoryview) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "write", write)
    with pytest.raises(RefusedError, match=r"a\.jpg: no space left, 4000000 bytes are needed") as caught:
        pending.write(bytes(4_000_000))  # a single byte would wait in the buffer of a large file
    assert "Make room" in caught.value.hint
    pending.abandon()
    assert files_in(target.root) == {}


@pytest.mark.parametrize("size", [1, 256 * 1024, 256 * 1024 + 1])
def test_a_disk_that_is_full_at_the_last_bytes_says_so_too(
    target: Target, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    def write(_fd: int, _data: memoryview) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def finish() -> None:
        pending.write(bytes(size))
        pending.finish(mtime_ns=0, mode=0o644)

    pending = target.begin((b"a.jpg",), size)
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", write)
        with pytest.raises(RefusedError, match=rf"a\.jpg: no space left, {size} bytes are needed"):
            finish()
    pending.abandon()
    assert files_in(target.root) == {}
    put(target, b"a.jpg", data=bytes(size))
    assert files_in(target.root) == {"a.jpg": bytes(size)}


# Past the page cache

MIB = 1024 * 1024
SIZES = [0, 1, 4095, 4096, 4097, MIB - 1, MIB, MIB + 1, 5 * MIB + 3]
PIECES = [1000, 4096, 300_000, MIB, 8 * MIB]


def direct_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system that does not know O_DIRECT says so when the flag is set."""
    import fcntl

    real = fcntl.fcntl

    def refuse(fd: int, command: int, value: int = 0) -> int:
        if command == fcntl.F_SETFL and value & os.O_DIRECT:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        return real(fd, command, value)

    monkeypatch.setattr(fcntl, "fcntl", refuse)


def direct_fails_in_the_middle(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of each large write half goes out, whole blocks or not, and then O_DIRECT is refused."""
    import fcntl

    write, calls = os.write, []

    def odd(fd: int, data: memoryview) -> int:
        if not fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_DIRECT:
            return write(fd, data)
        calls.append(len(data))
        if len(calls) % 3 == 0:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        return write(fd, data[: max(4096, len(data) // 2 // 4096 * 4096)])

    monkeypatch.setattr(os, "write", odd)


HOW = {
    "with O_DIRECT": lambda _: None,
    "without O_DIRECT": direct_is_refused,
    "with EINVAL in the middle": direct_fails_in_the_middle,
}


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("size", SIZES)
def test_bytes_come_out_as_they_went_in_around_blocks_and_buffers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int, how: str
) -> None:
    HOW[how](monkeypatch)
    data = Random(size).randbytes(size)
    for piece in PIECES:
        path = tmp_path / str(piece)
        with open(path, "wb", buffering=0) as file:
            direct = target_module._Direct(file.fileno())
            for at in range(0, size, piece):
                direct.write(memoryview(data)[at : at + piece])
            direct.finish()
        assert path.read_bytes() == data


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("size", [256 * 1024 - 1, 256 * 1024, MIB + 1, 5 * MIB + 3])
def test_a_large_file_is_restored_bit_for_bit(
    target: Target, monkeypatch: pytest.MonkeyPatch, size: int, how: str
) -> None:
    HOW[how](monkeypatch)
    data = Random(size).randbytes(size)
    pending = target.begin((b"a.mp4",), size)
    for at in range(0, size, 700_001):
        pending.write(data[at : at + 700_001])
    pending.commit(mtime_ns=YEAR_2001, mode=0o600)
    assert files_in(target.root) == {"a.mp4": data}
    assert (target.root / "a.mp4").stat().st_mtime_ns == YEAR_2001


def test_large_files_at_once_in_several_threads_do_not_share_a_buffer(target: Target) -> None:
    def work(number: int) -> Pending:
        both = [target.begin((b"%d.%d" % (number, half),), 2 * MIB + number) for half in range(2)]
        for at in range(0, 2 * MIB, 500_000):  # two files of one thread, turn by turn
            for half, pending in enumerate(both):
                pending.write(bytes([number, half]) * ((min(500_000, 2 * MIB - at)) // 2))
        for pending in both:
            pending.write(bytes(number))
            pending.finish(mtime_ns=0, mode=0o600)
        return both

    with ThreadPoolExecutor(4) as pool:
        batches = list(pool.map(work, range(8)))
    assert target.commit_all([pending for both in batches for pending in both]) == []
    wanted = {f"{n}.{half}": bytes([n, half]) * MIB + bytes(n) for n in range(8) for half in range(2)}
    assert files_in(target.root) == wanted


def test_a_large_file_that_is_abandoned_half_way_leaves_nothing(target: Target) -> None:
    for _ in range(3):
        pending = target.begin((b"a.mp4",), 5 * MIB)
        pending.write(bytes(2 * MIB + 5))
        pending.abandon()
    assert files_in(target.root) == {}
    put(target, b"a.mp4", data=b"x" * 5 * MIB)
    assert files_in(target.root) == {"a.mp4": b"x" * 5 * MIB}


def test_a_disk_that_is_full_at_the_last_moment_fails_those_files_only(
    target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = target_module._make_durable, iter([False, True, False, False, False])

    def durable(fd: int) -> None:
        if next(calls):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(fd)

    monkeypatch.setattr(target_module, "_make_durable", durable)
    if target.by_fd:
        batch = [ready(target, b"%d" % n) for n in range(3)]
        assert [failed.parts for failed, _ in target.commit_all(batch)] == [(b"1",)]
        assert sorted(files_in(target.root)) == ["0", "2"]
    else:
        put(target, b"0")
        with pytest.raises(RefusedError, match="no space left"):
            ready(target, b"1")


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.EACCES, RefusedError),
        (errno.EPERM, RefusedError),
        (errno.EROFS, RefusedError),
        (errno.ENAMETOOLONG, RefusedError),
        (errno.EFBIG, RefusedError),
        (errno.EIO, StorageError),
    ],
)
def test_every_failure_is_one_of_ours(
    target: Target, monkeypatch: pytest.MonkeyPatch, number: int, kind: type[StorageError]
) -> None:
    real = os.open

    def refuse(path: bytes, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        if flags & os.O_CREAT:
            raise OSError(number, os.strerror(number))
        return real(path, flags, mode, dir_fd=dir_fd)

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(StorageError) as caught:
        target.begin((b"a.jpg",), 1)
    assert type(caught.value) is kind
    assert "a.jpg" in caught.value.what


def test_a_folder_that_could_not_be_made_durable_is_tried_again(
    target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_folder: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    target.link((b"a",), b"x", 0)
    with monkeypatch.context() as patch:
        patch.setattr(target_module._Folder, "sync", fail)
        for _ in range(2):
            with pytest.raises(StorageError, match=r"out: Input/output error"):
                target.sync()
    target.sync()


def test_a_folder_that_is_gone_needs_no_sync(target: Target) -> None:
    target.link((b"a", b"b"), b"x", 0)
    (target.root / "a" / "b").unlink()
    (target.root / "a").rmdir()
    target.sync()
    assert list(target.root.iterdir()) == []


def test_a_root_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").write_bytes(b"x")
    with pytest.raises(RefusedError, match="in the way"), Target(tmp_path / "out"):
        pass


def test_an_error_message_cannot_steer_the_terminal(target: Target) -> None:
    with pytest.raises(RefusedError) as caught:
        target.folder((b"\x1b[31m\xff", b".."))
    assert caught.value.what.isprintable()


# What the file system does with names


def test_this_file_system_is_seen_as_it_is_and_left_clean(tmp_path: Path) -> None:
    with Target(tmp_path / "out", platform="linux") as target:
        (target.root / "probe").write_bytes(b"")
        assert target.folds_case is (target.root / "PROBE").exists()
        assert [path.name for path in target.root.iterdir()] == ["probe"]


@pytest.mark.parametrize("fold", [bytes.lower, lambda name: unicodedata.normalize("NFC", name.decode()).encode()])
def test_a_disk_that_folds_names_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fold: Callable[[bytes], bytes]
) -> None:
    real = target_module._Folder.lstat

    def lstat(folder: target_module._Folder, name: bytes) -> os.stat_result:
        assert folder.fd is not None
        there = {fold(entry): entry for entry in map(os.fsencode, os.listdir(folder.fd))}
        return real(folder, there.get(fold(name), name))

    monkeypatch.setattr(target_module._Folder, "lstat", lstat)
    with Target(tmp_path, platform="linux") as target:
        assert target.folds_case
        assert [planned.renamed is None for planned in target.plan([b"A", b"a"])] == [True, False]


def test_a_usb_stick_has_the_rules_of_windows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = target_module._Folder.create

    def create(folder: target_module._Folder, name: bytes) -> int:
        if b":" in name:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        return real(folder, name)

    monkeypatch.setattr(target_module._Folder, "create", create)
    with Target(tmp_path, platform="linux") as target:
        [planned] = target.plan([b"12:30.jpg"])
        assert planned.renamed is not None
        put(target, planned.name)
    assert list(files_in(tmp_path)) == [planned.name.decode()]
