"""ONNX files, as far as this project writes and changes them: a few messages of Protocol Buffers, without a library.

A message is a row of fields, each a number and a value: a whole number (varint), or bytes with their length (text, arrays, other
messages).  ``message`` writes one, ``fields`` reads one; above them stand the messages of ONNX that a network needs.  The
package ``onnx`` would do the same with 17 MB and the package ``protobuf``.

Sources: protobuf.dev/programming-guides/encoding; onnx/onnx.proto (numbers of fields), version 1.20.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float32] | NDArray[np.int64]

Value = int | float | str | bytes
"""What a field can hold: a whole number, a float of 32 bits, text, or bytes, which may be a message."""

_VARINT, _LONG, _BYTES, _SHORT = 0, 1, 2, 5
_WIDTHS: Final = {_LONG: 8, _SHORT: 4}
_VARINT_MAX: Final = 10  # bytes of 64 bits


class Field(NamedTuple):
    """One field: its number, and a whole number or bytes."""

    number: int
    value: int | bytes


def message(*rows: tuple[int, Value]) -> bytes:
    """A message of these fields, in this order."""
    return b"".join(_field(number, value) for number, value in rows)


def _field(number: int, value: Value) -> bytes:
    if isinstance(value, float):
        return _varint(number << 3 | _SHORT) + struct.pack("<f", value)
    if isinstance(value, int):
        return _varint(number << 3 | _VARINT) + _varint(value & (1 << 64) - 1)
    data = value.encode() if isinstance(value, str) else value
    return _varint(number << 3 | _BYTES) + _varint(len(data)) + data


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:  # noqa: PLR2004 - seven bits a byte
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(out) + bytes([value])


def fields(data: bytes) -> Iterator[Field]:
    """The fields of a message, in their order.

    Raises:
        ValueError: the bytes are no message.
    """
    at = 0
    while at < len(data):
        key, at = _read_varint(data, at)
        number, kind = key >> 3, key & 7
        if kind == _VARINT:
            value, at = _read_varint(data, at)
            yield Field(number, value)
            continue
        if kind == _BYTES:
            length, at = _read_varint(data, at)
        elif kind in _WIDTHS:
            length = _WIDTHS[kind]
        else:
            raise ValueError("not a message of Protocol Buffers")
        if length > len(data) - at:
            raise ValueError("a message of Protocol Buffers ends too soon")
        yield Field(number, data[at : at + length])
        at += length


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for place, byte in enumerate(data[at : at + _VARINT_MAX]):
        value |= (byte & 0x7F) << 7 * place
        if not byte & 0x80:
            return value, at + place + 1
    raise ValueError("a number of Protocol Buffers does not end")


# ONNX -----------------------------------------------------------------------------------------------------------------

_FLOAT, _INT64 = 1, 7  # TensorProto.DataType
_OF_FLOAT, _OF_INT, _OF_INTS = 1, 2, 7  # AttributeProto.AttributeType
_GRAPH, _INPUT, _OUTPUT, _VALUES = 7, 11, 12, 13
_IR, _OPSET = 8, 13


def node(kind: str, inputs: Iterable[str], output: str, **attributes: float | Sequence[int]) -> bytes:
    """One step of a network (NodeProto) with its attributes: whole numbers, floats, and rows of whole numbers."""
    rows: list[tuple[int, Value]] = [(1, name) for name in inputs]
    rows += [(2, output), (4, kind)]
    return message(*rows, *((5, _attribute(name, value)) for name, value in attributes.items()))


def _attribute(name: str, value: float | Sequence[int]) -> bytes:
    if isinstance(value, float):
        return message((1, name), (2, value), (20, _OF_FLOAT))
    if isinstance(value, int):
        return message((1, name), (3, value), (20, _OF_INT))
    return message((1, name), *((8, one) for one in value), (20, _OF_INTS))


def tensor(name: str, array: Array) -> bytes:
    """A constant of a network (TensorProto)."""
    dims: list[tuple[int, Value]] = [(1, size) for size in array.shape]
    kind = _FLOAT if array.dtype == "float32" else _INT64
    return message(*dims, (2, kind), (8, name), (9, array.astype(array.dtype.newbyteorder("<")).tobytes()))


def port(name: str, shape: Sequence[int | str]) -> bytes:
    """What goes into a network or comes out of it (ValueInfoProto): floats; a size that is a name may be any."""
    sizes = [(1, message((1, size) if isinstance(size, int) else (2, size))) for size in shape]
    return message((1, name), (2, message((1, message((1, _FLOAT), (2, message(*sizes)))))))


def network(
    nodes: Iterable[bytes], constants: Mapping[str, Array], inputs: Iterable[bytes], outputs: Iterable[bytes]
) -> bytes:
    """A whole file (ModelProto), of operators of version 13."""
    rows: list[tuple[int, Value]] = [(1, one) for one in nodes]
    rows += [(2, "network"), *((5, tensor(name, array)) for name, array in constants.items())]
    rows += [(_INPUT, one) for one in inputs] + [(_OUTPUT, one) for one in outputs]
    return message((1, _IR), (2, "photovault"), (_GRAPH, message(*rows)), (8, message((1, ""), (2, _OPSET))))


def of_any_size(model: bytes, shape: Sequence[int | str]) -> bytes:
    """``model`` whose input may have another shape than was written into it, and so its outputs and what is between.

    Raises:
        ValueError: it is no ONNX file.
    """
    rows = list(fields(model))
    return message(*((one.number, _freed(one.value, shape) if one.number == _GRAPH else one.value) for one in rows))


def _freed(graph: int | bytes, shape: Sequence[int | str]) -> bytes:
    if isinstance(graph, int):
        raise ValueError("not an ONNX file")  # noqa: TRY004 - what was read has the wrong value, not our caller
    kept: list[tuple[int, Value]] = []
    for number, value in fields(graph):
        if number == _INPUT:
            kept.append((number, port(_name(value), shape)))
        elif number == _OUTPUT:
            kept.append((number, port(_name(value), [f"{_name(value)} {axis}" for axis in range(len(_shape(value)))])))
        elif number != _VALUES:  # shapes of what is between, for the old size
            kept.append((number, value))
    return message(*kept)


def _name(value: int | bytes) -> str:
    return _part(value, 1).decode("utf-8", "replace")


def _shape(value: int | bytes) -> list[Field]:
    return list(fields(_part(_part(_part(value, 2), 1), 2)))


def _part(value: int | bytes, number: int) -> bytes:
    """The first field of that number, which is bytes, of a message."""
    found = next((one.value for one in fields(value) if one.number == number), b"") if isinstance(value, bytes) else b""
    return found if isinstance(found, bytes) else b""
