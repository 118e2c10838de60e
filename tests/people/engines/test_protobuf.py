"""Messages of Protocol Buffers, written and read back; hostile ones end in ValueError."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from photovault.people.engines import protobuf
from photovault.people.engines.runtime import Network, NetworkError

NUMBERS = st.integers(1, 2**20)


@given(st.lists(st.tuples(NUMBERS, st.integers(0, 2**64 - 1) | st.binary(max_size=300))))
def test_what_is_written_is_read(rows):
    assert [tuple(one) for one in protobuf.fields(protobuf.message(*rows))] == rows


@given(st.binary(max_size=200))
def test_bytes_that_are_no_message_are_refused(data):
    with contextlib.suppress(ValueError):
        list(protobuf.fields(data))
    with contextlib.suppress(ValueError):
        protobuf.of_any_size(data, (1, 3, "height", "width"))


@pytest.mark.parametrize("data", [b"\x80", b"\x0a\x05ab", b"\x0b", b"\x08" + b"\xff" * 11, b"\x0d\x00"])
def test_a_message_that_ends_too_soon_is_refused(data):
    with pytest.raises(ValueError, match="Protocol Buffers"):
        list(protobuf.fields(data))


def doubling(shape=("n", 2)):
    nodes = [protobuf.node("Mul", ["in", "two"], "out")]
    two = {"two": np.array([2.0, 2.0], np.float32)}
    return protobuf.network(nodes, two, [protobuf.port("in", shape)], [protobuf.port("out", shape)])


def test_onnx_runtime_runs_what_is_written():
    (out,) = Network(doubling())(np.array([[1, 2], [3, 4]], np.float32))
    assert out.tolist() == [[2, 4], [6, 8]]


def test_a_network_of_one_size_is_freed_from_it():
    given_rows = np.ones((3, 2), np.float32)
    with pytest.raises(NetworkError):
        Network(doubling((1, 2)))(given_rows)
    assert Network(protobuf.of_any_size(doubling((1, 2)), ("n", 2)))(given_rows)[0].shape == (3, 2)


def test_sizes_of_what_is_between_are_left_out():
    """ONNX Runtime would plan its memory by them."""
    between = protobuf.message((13, protobuf.port("out", (1, 2))))
    model = protobuf.message((1, 8), (7, between + protobuf.message((11, protobuf.port("in", (1, 2))))))
    (graph,) = (one.value for one in protobuf.fields(protobuf.of_any_size(model, ("n", 2))) if one.number == 7)
    assert [one.number for one in protobuf.fields(graph)] == [11]


@pytest.mark.parametrize("model", [b"", b"not a network", doubling()[:40]])
def test_bytes_that_are_no_network_are_refused(model):
    with pytest.raises(NetworkError, match="ONNX Runtime"):
        Network(model)
