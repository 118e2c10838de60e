"""dlib's face network as an ONNX file: read from dlib's own file of weights, without dlib.

dlib writes a network from its input to its output, each layer as its name and then its numbers as an array: version, four sizes,
floats of 32 bits.  The file is one that is known (its SHA-256 was compared), so the arrays are found by the names before
them: 29 convolutions, each followed by an "affine" (what is left of a batch normalisation), and a matrix at the end.

The network is ResNet-34 with fewer layers, as dlib's examples/dnn_face_recognition_ex.cpp writes it:

    chip 150 x 150, minus its mean, / 256 -> 7x7 /2, 32 -> max 3x3 /2 -> levels of blocks -> mean over the picture -> 128

A block is convolution, affine, rectify, convolution, affine, plus what went in, rectify.  The first block of a level halves
the picture, and what went in is averaged over 2x2; where the two differ in size or depth, dlib adds zeros to the end of
the smaller.  Affines are folded into the convolutions before them.  Guarantee: vectors equal dlib's to about 3e-7.

Sources: dlib/dnn/layers.h, tensor.h, serialize.h (layout), dlib/dnn/input.h (means of the colours).
"""

from __future__ import annotations

import math
import struct
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from photovault.people.engines import protobuf

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

SIZE: Final = 150
"""Width and height of a chip in pixels."""

DIMENSIONS: Final = 128

MEANS: Final = (122.782, 117.001, 104.298)
_SCALE: Final = 256.0
_LEVELS: Final = ((32, 3, False), (64, 4, True), (128, 3, True), (256, 3, True), (256, 1, True))
"""Depth, blocks, and whether the first block halves the picture."""


_UNKNOWN: Final = "dlib's file of weights is not as expected"


class _Layer(NamedTuple):
    """A convolution: filters (out, in, height, width) and what is added to each."""

    filters: NDArray[np.float32]
    biases: NDArray[np.float32]


class _Plan(NamedTuple):
    """A convolution of the network: sizes, and how far the window moves."""

    depth: int
    into: int
    window: int
    stride: int


def _plans() -> Iterator[_Plan]:
    yield _Plan(into=3, depth=32, window=7, stride=2)
    into = 32
    for depth, blocks, halves in _LEVELS:
        for block in range(blocks):
            yield _Plan(into=into, depth=depth, window=3, stride=2 if halves and not block else 1)
            yield _Plan(into=depth, depth=depth, window=3, stride=1)
            into = depth


# Reading --------------------------------------------------------------------------------------------------------------


def _layers(data: bytes) -> tuple[list[_Layer], NDArray[np.float32]]:
    """The convolutions, with the affines in them, and the matrix at the end."""
    at, layers = 0, []
    for plan in _plans():
        flat, at = _array_after(b"con_4", data, at)
        scales, at = _array_after(b"affine_", data, at)
        if (flat.size, scales.size) != (plan.depth * (plan.into * plan.window**2 + 1), 2 * plan.depth):
            raise ValueError(_UNKNOWN)
        filters = flat[: -plan.depth].reshape(plan.depth, plan.into, plan.window, plan.window).astype(np.float64)
        scale, shift = scales.reshape(2, plan.depth).astype(np.float64)
        biases = flat[-plan.depth :] * scale + shift
        layers.append(_Layer((filters * scale[:, None, None, None]).astype(np.float32), biases.astype(np.float32)))
    matrix, _ = _array_after(b"fc_2", data, at, between=2)  # how many go in and come out
    if matrix.size != plan.depth * DIMENSIONS:
        raise ValueError(_UNKNOWN)
    return layers, matrix.reshape(-1, DIMENSIONS)


def _array_after(name: bytes, data: bytes, at: int, between: int = 0) -> tuple[NDArray[np.float32], int]:
    """The array after the next layer of that name and ``between`` whole numbers, and where it ends."""
    mark = struct.pack("BB", 1, len(name)) + name
    found = data.find(mark, at)
    at = found + len(mark)
    numbers = []
    for _ in range(between + 5):  # of the array: version, samples, depth, rows, columns
        length = data[at] if at < len(data) else 0
        numbers.append(int.from_bytes(data[at + 1 : at + 1 + length], "little"))
        at += 1 + length
    count = math.prod(numbers[between + 1 :])
    if found < 0 or not 0 < count <= (len(data) - at) // 4:
        raise ValueError(_UNKNOWN)
    return np.frombuffer(data, "<f4", count, at), at + 4 * count


# Writing --------------------------------------------------------------------------------------------------------------


def to_onnx(data: bytes) -> bytes:
    """Make an ONNX file of dlib's file of weights.

    Its input "chips" is float32 (n, 3, 150, 150): red, green, blue from 0 to 255; its output "vectors" float32 (n, 128).

    Raises:
        ValueError: the bytes are not that file.
    """
    layers, matrix = _layers(data)
    writer = _Writer(layers)
    here = writer.front()
    size, before = 35, _LEVELS[0][0]  # 150 -> 72 -> 35
    for depth, blocks, halves in _LEVELS:
        for block in range(blocks):
            if halves and not block:
                here, size = writer.halving_block(here, size, depth - before), size // 2
            else:
                here = writer.block(here)
        before = depth
    writer.end(here, matrix)
    inputs = [protobuf.port("chips", ("n", 3, SIZE, SIZE))]
    return protobuf.network(writer.nodes, writer.constants, inputs, [protobuf.port("vectors", ("n", DIMENSIONS))])


class _Writer:
    """Steps and constants of the network, one after the other; each method returns the name of what comes out."""

    def __init__(self, layers: list[_Layer]) -> None:
        self._layers = iter(zip(layers, _plans(), strict=True))
        self.nodes: list[bytes] = []
        self.constants: dict[str, protobuf.Array] = {}

    def front(self) -> str:
        means = self._constant(np.array(MEANS, np.float32)[:, None, None])
        scaled = self._step("Div", [self._step("Sub", ["chips", means]), self._constant(np.array(_SCALE, np.float32))])
        here = self._step("Relu", [self._convolution(scaled)])
        return self._step("MaxPool", [here], kernel_shape=(3, 3), strides=(2, 2))

    def block(self, here: str) -> str:
        inner = self._convolution(self._step("Relu", [self._convolution(here)]))
        return self._step("Relu", [self._step("Add", [inner, here])])

    def halving_block(self, here: str, size: int, deeper: int) -> str:
        """A block that halves; ``size``: of what goes in, in pixels; ``deeper``: by how many channels more come out."""
        inner = self._convolution(self._step("Relu", [self._convolution(here)]))
        around = self._step("AveragePool", [here], kernel_shape=(2, 2), strides=(2, 2))
        if deeper:
            around = self._padded(around, (0, 0, 0, 0, 0, deeper, 0, 0))
        if short := size // 2 - (
            (size - 3) // 2 + 1
        ):  # the window of 3 without a border fits less often than that of 2
            inner = self._padded(inner, (0, 0, 0, 0, 0, 0, short, short))
        return self._step("Relu", [self._step("Add", [inner, around])])

    def end(self, here: str, matrix: NDArray[np.float32]) -> None:
        flat = self._step("Flatten", [self._step("GlobalAveragePool", [here])])
        self._step("MatMul", [flat, self._constant(matrix)], output="vectors")

    def _convolution(self, here: str) -> str:
        layer, plan = next(self._layers)
        border = plan.window // 2 if plan.stride == 1 else 0
        return self._step(
            "Conv",
            [here, self._constant(layer.filters), self._constant(layer.biases)],
            kernel_shape=(plan.window, plan.window),
            strides=(plan.stride, plan.stride),
            pads=(border,) * 4,
        )

    def _padded(self, here: str, widths: tuple[int, ...]) -> str:
        return self._step("Pad", [here, self._constant(np.array(widths, np.int64))])

    def _step(self, kind: str, inputs: list[str], output: str = "", **attributes: tuple[int, ...]) -> str:
        output = output or f"step {len(self.nodes)}"
        self.nodes.append(protobuf.node(kind, inputs, output, **attributes))
        return output

    def _constant(self, array: protobuf.Array) -> str:
        name = f"constant {len(self.constants)}"
        self.constants[name] = array
        return name
