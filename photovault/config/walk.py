"""A table of TOML turned into a dataclass, key by key, as the annotations of its fields say.

What does not fit is a ConfigError that begins with the key, such as ``watch.poll``; one that is not known comes with
the nearest that is.
"""

from __future__ import annotations

import difflib
import types
from dataclasses import MISSING, Field, fields, is_dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from photovault.config.schema import Text, known_keys
from photovault.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

_SHOWN = 60  # characters of a foreign key that a message repeats
_NAMES = {str: "text", bool: "true or false", int: "a whole number", float: "a number", list: "a list", dict: "a table"}
_T = TypeVar("_T")


def section(cls: type[_T], table: Mapping[str, Any], prefix: str = "") -> _T:
    """Build the dataclass ``cls`` from ``table``; ``prefix``: what its keys are called in messages, with a dot."""
    known = {item.name: item for item in fields(cls)}  # type: ignore[arg-type]
    for key in table:
        if key not in known:
            raise _unknown(key, list(known), prefix)
    for name, item in known.items():
        if name not in table and _is_required(item):
            raise ConfigError(f"{prefix}{name}: missing")
    kinds = get_type_hints(cls, include_extras=True)
    return cls(**{key: _value(kinds[key], value, prefix + key) for key, value in table.items()})


def _value(kind: Any, value: Any, key: str) -> Any:  # noqa: ANN401 - as TOML gave it
    """Turn what TOML gave for ``key`` into a value of the annotation ``kind``."""
    if is_dataclass(kind) and isinstance(kind, type):
        return section(kind, _typed(dict, value, key), f"{key}.")
    origin, inner = get_origin(kind), get_args(kind)
    if origin is tuple:
        items = enumerate(_typed(list, value, key), 1)
        return tuple(_value(inner[0], item, f"{key}[{n}]") for n, item in items)
    if origin in (Union, types.UnionType):
        return _value(inner[0], value, key)  # X | None: TOML has no null, so what is there is an X
    if origin is Annotated:
        return _converted(inner[1], value, key)
    if origin is Literal:
        return _chosen(inner, value, key)
    return _typed(kind, value, key)


def _typed(kind: type[_T], value: object, key: str) -> _T:
    """Return ``value`` if its type is exactly ``kind``: to TOML, ``true`` is not a number, but 1 is also 1.0."""
    if type(value) is kind:
        return value
    if kind is float and type(value) is int:
        return cast("_T", float(value))
    raise ConfigError(f"{key}: expected {_named(kind)}, got {_named(type(value))}")


def _named(kind: type) -> str:
    return _NAMES.get(kind, "a date or time")


def _converted(text: Text, value: object, key: str) -> object:
    try:
        return text.convert(_typed(text.written_as, value, key))
    except ValueError as error:
        raise ConfigError(f"{key}: expected {error}") from error


def _chosen(choices: tuple[str, ...], value: object, key: str) -> str:
    text = _typed(str, value, key)
    if text in choices:
        return text
    listed = ", ".join(f'"{choice}"' for choice in choices)
    raise ConfigError(f"{key}: expected one of {listed}, got another text")


def _is_required(item: Field[Any]) -> bool:
    return item.default is MISSING and item.default_factory is MISSING


def _unknown(key: str, known: list[str], prefix: str) -> ConfigError:
    """Name the nearest known key: of this section if one is close, else of the whole file."""
    near = difflib.get_close_matches(key[:_SHOWN], known, n=1)
    full = [prefix + near[0]] if near else _nearest_anywhere(key[:_SHOWN])
    thing = "key" if prefix else "section"
    return ConfigError(f"{prefix}{shown(key)}: unknown {thing}", f"The nearest known one is {full[0]}.")


def _nearest_anywhere(key: str) -> list[str]:
    by_name: dict[str, str] = {}
    for full in known_keys():
        by_name.setdefault(full.rpartition(".")[2], full)
    return [by_name[name] for name in difflib.get_close_matches(key, by_name, n=1, cutoff=0.0)]


def shown(key: str) -> str:
    """Return ``key`` short, with nothing in it that could steer a terminal."""
    return "".join(c if c.isprintable() else "?" for c in key[:_SHOWN])
