"""A look at files: an answer for each, whatever becomes of it, and only files are given away."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

import pytest

from photovault.errors import RefusedError
from photovault.facts import NOTHING, Facts
from photovault.photos.looking import Asked, Look

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

NAME = b"IMG_20190203_040506.jpg"


class Looked(NamedTuple):
    facts: Facts = NOTHING
    thumbnail: bytes = b""
    thumbnail_seconds: float = 0.0
    why: str = ""
    lacks: str = ""


class Friend:
    """Looks at files as it is told to."""

    def __init__(self, *answers: Looked | Exception) -> None:
        self.answers = answers
        self.asked: list[Asked] = []

    def __call__(self, files: Sequence[Asked]) -> Friend:
        self.asked += files
        return self

    def result(self) -> list[Looked]:
        for one in self.answers:
            if isinstance(one, Exception):
                raise one
        return list(self.answers)


@pytest.fixture
def opened(tmp_path: Path):
    path = tmp_path / os.fsdecode(NAME)
    path.write_bytes(b"x" * 10)
    fd = os.open(path, os.O_RDONLY)
    yield os.fsencode(path), (fd, os.fstat(fd))
    os.close(fd)


def test_what_was_seen_is_given_back(opened: tuple[bytes, tuple[int, os.stat_result]]) -> None:
    path, fd = opened
    friend = Friend(Looked(Facts(kind="jpeg"), b"small", 0.5))
    (seen,) = Look(friend, [path], [fd], thumbnails=True).result()
    assert friend.asked == [Asked(fd[0], 10, NAME, True)]
    assert (seen.facts.kind, seen.thumbnail, seen.seconds, seen.tried, seen.why) == ("jpeg", b"small", 0.5, True, "")


@pytest.mark.parametrize(
    "friend",
    [
        Friend(Looked(why="killed")),
        Friend(OSError("killed")),
        Friend(RefusedError("killed")),
        Friend(),
    ],
)
def test_what_goes_wrong_is_an_answer_with_what_the_name_says(
    opened: tuple[bytes, tuple[int, os.stat_result]], friend: Friend
) -> None:
    path, fd = opened
    (seen,) = Look(friend, [path], [fd], thumbnails=False).result()
    assert seen.facts.taken == "2019-02-03T04:05:06"
    assert (seen.facts.taken_source, seen.thumbnail) == ("name", b"")
    assert seen.why or not friend.answers


def test_nobody_to_ask_is_no_failure(opened: tuple[bytes, tuple[int, os.stat_result]]) -> None:
    path, fd = opened
    (seen,) = Look(None, [path], [fd], thumbnails=True).result()
    assert (seen.why, seen.facts.taken_source, seen.tried) == ("", "name", False)


def test_facts_that_came_with_a_reason_count(opened: tuple[bytes, tuple[int, os.stat_result]]) -> None:
    path, fd = opened
    friend = Friend(Looked(Facts(kind="jpeg", width=5), why="too large to decode"))
    (seen,) = Look(friend, [path], [fd], thumbnails=True).result()
    assert (seen.facts.width, seen.tried) == (5, True)


def test_pipes_folders_and_what_is_not_open_are_not_given_away(
    opened: tuple[bytes, tuple[int, os.stat_result]], tmp_path: Path
) -> None:
    path, fd = opened
    os.mkfifo(tmp_path / "pipe")
    pipe = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    folder = os.open(tmp_path, os.O_RDONLY)
    friend = Friend(Looked(Facts(kind="jpeg")))
    try:
        seen = Look(
            friend,
            [b"a", b"b", b"c", path],
            [(pipe, os.fstat(pipe)), (folder, os.fstat(folder)), None, fd],
            thumbnails=True,
        ).result()
    finally:
        os.close(pipe)
        os.close(folder)
    assert [one.facts.kind for one in seen] == ["", "", "", "jpeg"]
    assert len(friend.asked) == 1
