"""What the watcher tells of real changes in real folders."""

from __future__ import annotations

import ctypes
import errno
import logging
import os
import shutil
import time

import pytest
from watchdog.observers import inotify_c

from photovault.watch import observer
from photovault.watch.observer import Event, Kind, Watched, Watcher, file_system

PATIENCE = 10.0


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    return folder


def watched(folder, avoid=()) -> Watched:
    return Watched(
        path=os.fsencode(folder), belongs=lambda path: path.endswith(b".jpg"), avoid=tuple(map(os.fsencode, avoid))
    )


def until(watcher: Watcher, wanted: set[Event]) -> set[Event]:
    """Everything that came until all of ``wanted`` was there."""
    seen: set[Event] = set()
    deadline = time.monotonic() + PATIENCE
    while not wanted <= seen:
        seen |= set(watcher.taken())
        assert time.monotonic() < deadline, f"missing: {wanted - seen}; seen: {seen}"
        time.sleep(0.01)
    return seen


def drained(watcher: Watcher) -> None:
    time.sleep(0.1)
    list(watcher.taken())


def changed(path, kind=Kind.CHANGED) -> Event:
    return Event(kind, os.fsencode(path))


def test_a_photo_that_is_written_is_told_of_while_and_when_it_is_closed(photos):
    with Watcher([watched(photos)], lambda: "") as watcher:
        drained(watcher)
        with open(photos / "a.jpg", "wb") as file:
            file.write(b"half")
            file.flush()
            until(watcher, {changed(photos / "a.jpg", Kind.WRITING)})
            drained(watcher)
        until(watcher, {changed(photos / "a.jpg")})


def test_to_begin_is_no_change(photos):
    (photos / "a.jpg").write_bytes(b"x")
    with Watcher([watched(photos)], lambda: "") as watcher:
        time.sleep(0.3)
        assert list(watcher.taken()) == []
        assert not watcher.look()


def test_renames_and_removals_are_told_of(photos):
    (photos / "a.jpg").write_bytes(b"x")
    with Watcher([watched(photos)], lambda: "") as watcher:
        drained(watcher)
        os.rename(photos / "a.jpg", photos / "b.jpg")
        until(watcher, {changed(photos / "a.jpg", Kind.GONE), changed(photos / "b.jpg")})
        os.unlink(photos / "b.jpg")
        until(watcher, {changed(photos / "b.jpg", Kind.GONE)})


def test_a_download_that_gets_its_name_counts(photos):
    with Watcher([watched(photos)], lambda: "") as watcher:
        drained(watcher)
        (photos / "a.jpg.part").write_bytes(b"x")
        os.rename(photos / "a.jpg.part", photos / "a.jpg")
        seen = until(watcher, {changed(photos / "a.jpg")})
        assert not any(event.path.endswith(b".part") for event in seen)


def test_new_nested_folders_are_told_of_and_watched(photos):
    with Watcher([watched(photos)], lambda: "") as watcher:
        drained(watcher)
        deep = photos / "2026" / "11" / "23"
        deep.mkdir(parents=True)
        until(watcher, {Event(Kind.SOMETHING)})
        time.sleep(0.2)
        (deep / "a.jpg").write_bytes(b"x")
        until(watcher, {changed(deep / "a.jpg")})


def test_what_does_not_belong_to_the_backup_and_the_vault_itself_are_silent(photos):
    vault = photos / "vault"
    (vault / "packs").mkdir(parents=True)
    with Watcher([watched(photos, [vault])], lambda: "") as watcher:
        drained(watcher)
        (photos / "notes.txt").write_bytes(b"x")
        (vault / "packs" / "a.jpg").write_bytes(b"x")
        (vault / "index").mkdir()
        (photos / "last.jpg").write_bytes(b"x")
        seen = until(watcher, {changed(photos / "last.jpg")})
        assert {event.path for event in seen} == {os.fsencode(photos / "last.jpg")}


def test_a_card_that_is_plugged_in_is_watched_from_then_on(tmp_path):
    card = tmp_path / "card"
    with Watcher([watched(card)], lambda: "") as watcher:
        assert watcher.away == [os.fsencode(card)]
        assert not watcher.look()
        card.mkdir()
        assert watcher.look()
        assert watcher.away == []
        (card / "a.jpg").write_bytes(b"x")
        until(watcher, {changed(card / "a.jpg")})
        shutil.rmtree(card)
        assert not watcher.look()
        assert watcher.away == [os.fsencode(card)]
        card.mkdir()
        assert watcher.look()
        drained(watcher)
        (card / "b.jpg").write_bytes(b"x")
        until(watcher, {changed(card / "b.jpg")})


def test_a_link_to_a_card_that_is_plugged_in_later_is_followed(tmp_path):
    link, card = tmp_path / "link", tmp_path / "media" / "card"
    link.symlink_to(card)
    with Watcher(
        [Watched(path=os.fsencode(link), belongs=lambda path: path == os.fsencode(link / "a.jpg"))], str
    ) as it:
        assert not it.look()
        card.mkdir(parents=True)
        assert it.look()
        drained(it)
        (card / "b.jpg").write_bytes(b"x")
        (card / "a.jpg").write_bytes(b"x")
        assert {event.path for event in until(it, {changed(card / "a.jpg")})} == {os.fsencode(card / "a.jpg")}


def test_too_many_events_become_something(photos, monkeypatch):
    monkeypatch.setattr(observer, "QUEUE", 10)
    with Watcher([watched(photos)], lambda: "") as watcher:
        drained(watcher)
        for number in range(200):
            (photos / f"{number}.jpg").write_bytes(b"x")
        time.sleep(0.5)
        assert watcher.events.qsize() <= 10
        until(watcher, {Event(Kind.SOMETHING)})


def test_an_overflow_in_the_kernel_becomes_something(photos):
    with Watcher([watched(photos)], lambda: "") as watcher:
        drained(watcher)
        logging.getLogger("watchdog.observers.inotify_c").warning("Inotify queue overflowed; events were lost")
        until(watcher, {Event(Kind.SOMETHING)})


@pytest.mark.parametrize(
    ("number", "line"),
    [(errno.ENOSPC, "sysctl fs.inotify.max_user_watches="), (errno.EMFILE, "sysctl fs.inotify.max_user_instances=")],
)
def test_a_limit_of_the_system_is_named_with_its_mend(photos, monkeypatch, number, line):
    def refuse(*_args, **_more):
        raise OSError(number, os.strerror(number))

    watcher = Watcher([watched(photos)], lambda: "")
    monkeypatch.setattr(type(watcher._observer), "schedule", refuse)
    with watcher:
        assert line in watcher.blind[os.fsencode(photos)]
        assert watcher.away == []


def test_times_and_rights_alone_are_a_change_and_say_nothing_of_who_writes(photos):
    (photos / "a.jpg").write_bytes(b"x")
    for touch in (lambda: os.utime(photos / "a.jpg", (1, 1)), lambda: (photos / "a.jpg").chmod(0o600)):
        with Watcher([watched(photos)], lambda: "") as watcher:
            drained(watcher)
            touch()
            assert until(watcher, {Event(Kind.SOMETHING)}) == {Event(Kind.SOMETHING)}


@pytest.fixture
def few_watches(monkeypatch):
    """A system that gives few watches; the list holds how many."""
    real, left, given = inotify_c.inotify_add_watch, [0], set()

    def add(fd, path, mask):
        if path not in given and len(given) >= left[0]:
            ctypes.set_errno(errno.ENOSPC)
            return -1
        if path != b"/":
            given.add(path)
        return real(fd, path, mask)

    monkeypatch.setattr(inotify_c, "inotify_add_watch", add)
    return left


def test_folders_deep_down_that_cannot_be_watched_are_not_passed_over_in_silence(photos, few_watches):
    deep = photos / "2026" / "11"
    deep.mkdir(parents=True)
    few_watches[0] = 2
    with Watcher([watched(photos)], lambda: "") as watcher:
        assert "sysctl fs.inotify.max_user_watches=" in watcher.blind[os.fsencode(photos)]
        assert not watcher.look()
        few_watches[0] = 10
        assert watcher.look()
        assert watcher.blind == {}
        drained(watcher)
        (deep / "a.jpg").write_bytes(b"x")
        until(watcher, {changed(deep / "a.jpg")})
        assert not watcher.look()


def test_a_race_inside_watchdog_neither_ends_it_nor_writes_every_path_into_the_log(photos):
    with Watcher([watched(photos)], lambda: "") as watcher:
        (emitter,) = watcher._observer.emitters
        group = emitter._inotify
        group._add_callback(os.fsencode(photos))  # as it does when a folder is found twice: warns, and would raise here
        assert "photos" not in repr(group)


@pytest.mark.parametrize("which", ["reader", "emitter", "observer"])
def test_when_a_thread_of_watchdog_dies_everything_is_watched_anew(photos, which):
    with Watcher([watched(photos)], lambda: "") as watcher:
        (emitter,) = watcher._observer.emitters
        thread = {"reader": watcher._observer._inotify_fd, "emitter": emitter, "observer": watcher._observer}[which]
        thread.stop()
        thread.join()
        assert watcher.look()
        drained(watcher)
        (photos / "a.jpg").write_bytes(b"x")
        until(watcher, {changed(photos / "a.jpg")})
        assert not watcher.look()


def test_a_network_share_is_known_to_be_silent(photos):
    mounts = (
        "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
        f"23 22 0:45 / {photos} rw shared:2 - nfs4 nas:/photos rw,vers=4.2\n"
    )
    with Watcher([watched(photos)], lambda: mounts) as watcher:
        assert "nfs4" in watcher.blind[os.fsencode(photos)]


def test_the_file_system_of_a_path_is_that_of_the_longest_mount():
    mounts = (
        "22 1 8:1 / / rw shared:1 - ext4 /dev/sda1 rw\n"
        "23 22 0:45 / /mnt/my\\040nas rw shared:2 - cifs //nas/photos rw\n"
        "24 22 0:46 / /mnt/my rw - tmpfs tmpfs rw\n"
        "broken line\n"
    )
    assert file_system(b"/mnt/my nas/2020", mounts) == "cifs"
    assert file_system(b"/mnt/my/2020", mounts) == "tmpfs"
    assert file_system(b"/mnt/mystery", mounts) == "ext4"
    assert file_system(b"/home", "") == ""


def test_rules_that_changed_hold_before_the_next_event_is_handed_out(photos):
    wanted = [b".jpg"]

    def renew():
        wanted[:] = (photos / ".rules").read_bytes().split() if (photos / ".rules").exists() else [b".jpg"]

    source = Watched(
        path=os.fsencode(photos), belongs=lambda path: path.endswith(tuple(wanted)), rules=b".rules", renew=renew
    )
    with Watcher([source], lambda: "") as watcher:
        drained(watcher)
        (photos / "rules.new").write_bytes(b".png")
        os.rename(photos / "rules.new", photos / ".rules")  # as editors save
        until(watcher, {Event(Kind.SOMETHING)})
        (photos / "a.jpg").write_bytes(b"x")
        (photos / "a.png").write_bytes(b"x")
        assert changed(photos / "a.jpg") not in until(watcher, {changed(photos / "a.png")})
        (photos / ".rules").unlink()
        until(watcher, {Event(Kind.SOMETHING)})
        (photos / "b.jpg").write_bytes(b"x")
        until(watcher, {changed(photos / "b.jpg")})


def test_rules_are_read_again_when_events_were_lost_and_when_a_source_comes_back(tmp_path):
    card, renewed = tmp_path / "card", []
    source = Watched(path=os.fsencode(card), belongs=bool, rules=b".rules", renew=lambda: renewed.append(1))
    with Watcher([source], lambda: "") as watcher:
        card.mkdir()
        assert watcher.look()
        assert renewed == [1]
        watcher._something()
        assert Event(Kind.SOMETHING) in set(watcher.taken())
        assert renewed == [1, 1]
