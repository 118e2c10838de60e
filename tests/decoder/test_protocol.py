"""Whatever a child says, the host reads an answer or a ProtocolError."""

from __future__ import annotations

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from photovault.children.frames import Frame, ProtocolError, frame, protection, read_frame
from photovault.decoder.protocol import Looked, looked, wanted
from photovault.facts import Facts, to_map

ANSWER = {"facts": {"kind": "jpeg"}, "seconds": 0.5, "why": "", "lacks": ""}


def reader(data: bytes):
    stream = io.BytesIO(data)

    def read(length: int) -> bytes:
        found = stream.read(length)
        if len(found) < length:
            raise EOFError
        return found

    return read


def test_what_is_framed_is_read() -> None:
    found = read_frame(reader(frame({"do": "look"}, 3) + b"abc" + b"more"))
    assert found == Frame({"do": "look"}, b"abc")


@given(st.binary(max_size=200))
def test_any_bytes_are_a_frame_or_an_error(data: bytes) -> None:
    try:
        found = read_frame(reader(data), body_max=100)
    except (EOFError, ProtocolError):
        return
    assert isinstance(found.head, dict)
    assert len(found.body) <= 100


def test_too_long_is_not_read() -> None:
    read = reader(frame({}, 101) + bytes(101))
    with pytest.raises(ProtocolError):
        read_frame(read, body_max=100)
    with pytest.raises(ProtocolError):
        read_frame(reader(frame({"x": "y" * 100})), head_max=50)


def test_deep_json_is_an_error() -> None:
    deep = b'{"x":' + b"[" * 100_000
    with pytest.raises(ProtocolError):
        read_frame(reader(len(deep).to_bytes(4, "big") + bytes(4) + deep))


def test_an_answer() -> None:
    facts = Facts(kind="jpeg", phash=2**64 - 1, keywords=("a", "b"))
    head = json.loads(json.dumps({**ANSWER, "facts": to_map(facts)}))
    assert looked(Frame(head, b"RIFF1234WEBP")) == Looked(facts, b"RIFF1234WEBP", 0.5, "")


@pytest.mark.parametrize(
    "wrong",
    [
        {"facts": {"kind": 7}},
        {"facts": []},
        {"facts": None},
        {"seconds": "1"},
        {"seconds": -1},
        {"seconds": float("nan")},
        {"seconds": float("inf")},
        {"why": None},
        {"why": "x" * 300},
        {"lacks": "everything"},
        {"lacks": ["video"]},
    ],
)
def test_an_answer_that_none_of_ours_gives(wrong: dict[str, object]) -> None:
    with pytest.raises(ProtocolError):
        looked(Frame({**ANSWER, **wrong}, b""))


@pytest.mark.parametrize("missing", ANSWER)
def test_an_answer_with_something_missing(missing: str) -> None:
    with pytest.raises(ProtocolError):
        looked(Frame({key: value for key, value in ANSWER.items() if key != missing}, b""))


def test_a_thumbnail_is_a_webp_or_nothing() -> None:
    with pytest.raises(ProtocolError):
        looked(Frame(ANSWER, b"<html>"))


def test_a_child_cannot_name_a_part_of_the_vault() -> None:
    assert looked(Frame({**ANSWER, "facts": {"thumbnail": "ab" * 32}}, b"")).facts.thumbnail == b""


@pytest.mark.parametrize("hello", [{}, {"protection": "files"}, {"protection": [1]}])
def test_a_hello_that_none_of_ours_says(hello: dict[str, object]) -> None:
    with pytest.raises(ProtocolError):
        protection(Frame(hello, b""))


def test_a_range_stays_in_the_file() -> None:
    assert wanted(Frame({"read": [90, 20]}, b""), 100) == (90, 10)
    assert wanted(Frame({"read": [200, 20]}, b""), 100) == (100, 0)
    for wrong in ([-1, 5], [0, -5], [0, 1 << 40], [0], "x", None, [0.5, 1]):
        with pytest.raises(ProtocolError):
            wanted(Frame({"read": wrong}, b""), 100)
