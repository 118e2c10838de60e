"""Whatever a worker says, the host reads faces that can be, or a ProtocolError."""

from __future__ import annotations

import json
import math
import struct
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from photovault.children.frames import Frame, ProtocolError
from photovault.people.values import FACES_MAX, Box, Curve, EngineOrder, ModelOrder, Picture, Seen
from photovault.people.wall.protocol import (
    Answer,
    Hello,
    Opening,
    Refused,
    answer,
    answering,
    embedding,
    hello,
    opened,
    opening,
    seen_in,
)

ROW = [0.25, 0.25, 0.5, 0.5, 0.9, 0.5]
SEEN = Seen(Box(0.25, 0.25, 0.5, 0.5), (0.125,) * 10, 0.5, 0.25, struct.pack("<2f", 1, 2))
HELLO = {"protection": ["calls"], "key": "dlib 1", "dimensions": 128, "curve": [[100, 0.5], [10_000, 0.4]]}
numbers = st.integers() | st.floats() | st.booleans() | st.none() | st.text(max_size=3)
rows = st.lists(st.lists(numbers, max_size=18) | numbers, max_size=5)


def said(rows: object = (), body: bytes = b"", why: object = "") -> Frame:
    return Frame({"faces": list(rows) if isinstance(rows, tuple) else rows, "why": why}, body)


def one(*changes: tuple[int, object], landmarks: list[object] | None = None) -> list[list[object]]:
    row = list(ROW)
    for at, value in changes:
        row[at] = value
    return [row + (landmarks or [])]


def test_what_a_worker_answers_is_read() -> None:
    head, body = answering([SEEN, SEEN._replace(landmarks=())])
    sent = json.loads(json.dumps(head))
    assert answer(Frame(sent, body), 2) == Answer((SEEN, SEEN._replace(landmarks=())))
    assert answer(said(why="it is too dark"), 2) == Answer(why="it is too dark")
    assert answer(said(), 2) == Answer()


def test_faces_that_are_measured_anew_stay_where_they_were() -> None:
    other = SEEN._replace(box=Box(0, 0, 1, 1), vector=struct.pack("<2f", 3, 4))
    found = answer(Frame(*answering([other])), 2, faces=[SEEN])
    assert found == Answer((SEEN._replace(vector=other.vector),))


@pytest.mark.parametrize("given", [[], [SEEN] * 2])
def test_another_number_of_faces_than_was_asked_for(given: list[Seen]) -> None:
    with pytest.raises(ProtocolError):
        answer(Frame(*answering([SEEN])), 2, faces=given)


WRONG = {
    "not a number": one((0, math.nan)),
    "infinite": one((2, math.inf)),
    "left of the picture": one((0, -0.01)),
    "right of the picture": one((2, 0.76)),
    "below the picture": one((3, 0.8)),
    "no width": one((2, 0)),
    "a negative height": one((3, -0.1)),
    "too sure": one((4, 1.5)),
    "a quality below nothing": one((5, -0.1)),
    "a text": one((0, "0.5")),
    "true": one((5, True)),
    "nothing": one((5, None)),
    "a huge whole number": one((4, 10**400)),
    "too short": [ROW[:5]],
    "three landmarks": one(landmarks=[0.5] * 6),
    "a landmark far away": one(landmarks=[0.5] * 9 + [2.5]),
    "a landmark that is none": one(landmarks=[0.5] * 9 + [math.nan]),
    "no row": [7],
    "no rows": "faces",
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_face_that_cannot_be(wrong: str) -> None:
    assert answer(said([ROW], bytes(8)), 2).faces
    with pytest.raises(ProtocolError) as raised:
        answer(said(WRONG[wrong], bytes(8)), 2)
    assert str(raised.value) == ""


@pytest.mark.parametrize(
    "body", [b"", bytes(7), bytes(12), *(struct.pack("<2f", 0, bad) for bad in (math.nan, math.inf, -math.inf, 1e30))]
)
def test_a_vector_that_cannot_be(body: bytes) -> None:
    with pytest.raises(ProtocolError):
        answer(said([ROW], body), 2)


def test_infinities_that_cancel_out_are_seen() -> None:
    with pytest.raises(ProtocolError):
        answer(said([ROW], struct.pack("<2f", math.inf, -math.inf)), 2)


def test_too_many_faces() -> None:
    assert len(answer(said([ROW] * FACES_MAX, bytes(8 * FACES_MAX)), 2).faces) == FACES_MAX
    with pytest.raises(ProtocolError):
        answer(said([ROW] * (FACES_MAX + 1), bytes(8 * FACES_MAX + 8)), 2)


@pytest.mark.parametrize("why", [None, 7, "x" * 300])
def test_a_reason_that_is_none(why: object) -> None:
    with pytest.raises(ProtocolError):
        answer(said(why=why), 2)


def test_a_reason_comes_alone_and_steers_no_terminal() -> None:
    assert answer(said(why="a\x1b[2Jb"), 2) == Answer(why="a [2Jb")
    with pytest.raises(ProtocolError):
        answer(said([ROW], bytes(8), why="and yet"), 2)


@given(st.fixed_dictionaries({}, optional={"faces": rows, "why": st.text(max_size=5)}), st.binary(max_size=64))
def test_any_answer_is_faces_that_can_be_or_an_error(head: dict[str, object], body: bytes) -> None:
    try:
        found = answer(Frame(head, body), 2)
    except ProtocolError:
        return
    for face in found.faces:
        x, y, w, h = face.box
        assert 0 <= x < x + w <= 1.001
        assert 0 <= y < y + h <= 1.001
        assert len(face.vector) == 8


@given(st.binary(min_size=8, max_size=8))
def test_any_vector_is_finite_or_an_error(body: bytes) -> None:
    finite = all(math.isfinite(value) and abs(value) <= 1e4 for value in struct.unpack("<2f", body))
    try:
        answer(said([ROW], body), 2)
    except ProtocolError:
        assert not finite
    else:
        assert finite


def test_hello() -> None:
    found = hello(Frame(json.loads(json.dumps(HELLO)), b""))
    assert found == Hello("dlib 1", 128, Curve(((100, 0.5), (10_000, 0.4))), ("calls",))
    refused = {"protection": [], "refused": "no\x1bmodel", "hint": "buy one"}
    assert hello(Frame(refused, b"")) == Refused("no model", "buy one", ())


@pytest.mark.parametrize(
    "change",
    [
        {"protection": None},
        {"key": ""},
        {"key": "a\nb"},
        {"key": "x" * 300},
        {"dimensions": 0},
        {"dimensions": 1 << 20},
        {"dimensions": 12.5},
        {"curve": []},
        {"curve": [[100, 0.5], [100, 0.4]]},
        {"curve": [[100, -0.5]]},
        {"curve": [[100, math.nan]]},
        {"curve": [[1, 0.5, 3]]},
        {"curve": [[number, 0.5] for number in range(1, 100)]},
        {"curve": "far"},
    ],
)
def test_a_hello_that_is_none(change: dict[str, object]) -> None:
    with pytest.raises(ProtocolError):
        hello(Frame(HELLO | change, b""))


@given(st.fixed_dictionaries({}, optional={name: numbers | st.lists(rows, max_size=3) for name in [*HELLO, "refused"]}))
def test_any_hello_is_one_or_an_error(head: dict[str, object]) -> None:
    with suppress(ProtocolError):
        assert isinstance(hello(Frame(HELLO | head, b"")), Hello | Refused)


def test_a_worker_reads_what_its_host_sends() -> None:
    order = EngineOrder(kind="onnx", model=ModelOrder(path="/m", sha256="ab", size=160, metric="euclidean"))
    for one_order in (order, EngineOrder()):
        first = Opening(one_order, ("/m",), ("calls",))
        assert opened(json.loads(json.dumps(opening(first)))) == first
    head = json.loads(json.dumps(embedding(Picture(3, 4, b""), [SEEN])))
    assert head["do"] == "embed"
    assert head["size"] == [3, 4]
    assert [seen_in(row, SEEN.vector) for row in head["faces"]] == [SEEN]
