"""The configuration file: TOML in, one frozen ``Config`` out.

The dataclasses below are the whole description: each section is a class, each key a field, its default the field's
default, its type the field's annotation.  ``parse`` walks them once, so a key cannot be documented and not read, or
read and not known.  ``Text`` in an annotation says that the key is written as text and turned into a value.

Guarantee: what ``parse`` returns has only known keys with values of their types; everything else is a ``ConfigError``
that names the file and the key, and never repeats a value, which may be a secret put in the wrong place.  A secret
in the file is refused, known key or not.  Not checked here: whether a folder exists, or a pattern is a valid one.
"""

from __future__ import annotations

import difflib
import os.path
import re
import tomllib
import types
from dataclasses import MISSING, Field, dataclass, field, fields, is_dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints
from urllib.parse import urlsplit

from photovault.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

_LIMIT = 1 << 20  # bytes; a configuration longer than this is a mistake
_LONGEST_NUMBER = 15  # digits in a duration or size

_UNIT_SECONDS = {"w": 604_800, "d": 86_400, "h": 3_600, "m": 60, "s": 1}
_UNIT_BYTES: dict[str, int] = {f"{k}{b}": 1000**n for n, k in enumerate("KMGT", 1) for b in ("", "B")} | {"": 1, "B": 1}
_UNIT_BYTES |= {f"{k}iB": 1024**n for n, k in enumerate("KMGT", 1)}

_DURATION = re.compile(r"(\d+w)?(\d+d)?(\d+h)?(\d+m)?(\d+s)?", re.ASCII)
_SIZE = re.compile(r"(\d+)(?:\.(\d+))? ?([A-Za-z]*)", re.ASCII)
_SECRET = re.compile(r"pass-?(word|phrase|wd|code)|secret|token|credential|recovery|(api|access|private)-?key")


def parse_duration(text: str) -> int:
    """Turn ``"2m"``, ``"7d"`` or ``"1h30m"`` into seconds.

    Units are w, d, h, m, s, each at most once and the longest first.  Raises ValueError on anything else.
    """
    found = _DURATION.fullmatch(text) if len(text) <= _LONGEST_NUMBER else None
    if not text or found is None:
        message = "a duration such as 30s, 2m, 1h30m or 7d"
        raise ValueError(message)
    return sum(int(part[:-1]) * _UNIT_SECONDS[part[-1]] for part in found.groups() if part)


def parse_size(text: str) -> int:
    """Turn ``"100M"``, ``"1.5G"`` or ``"4 MiB"`` into bytes, rounded down.

    K, M, G, T (also KB ...) are powers of 1000, KiB ... of 1024.  Raises ValueError on anything else.
    """
    found = _SIZE.fullmatch(text) if len(text) <= _LONGEST_NUMBER else None
    if found is None or found[3] not in _UNIT_BYTES:
        message = "a size such as 500K, 100M, 1.5G or 4MiB"
        raise ValueError(message)
    decimals = found[2] or ""
    scale: int = 10 ** len(decimals)
    return int(found[1] + decimals) * _UNIT_BYTES[found[3]] // scale


def _folder(text: str) -> str:
    """Expand ``~``; a NUL can be in TOML but in no path."""
    if not text or "\0" in text:
        message = "the path of a folder"
        raise ValueError(message)
    return os.path.expanduser(text)


def _address(text: str) -> str:
    """Refuse a vault address that is empty or carries a password."""
    try:
        carries_password = urlsplit(text).password is not None
    except ValueError:
        carries_password = False  # no address of the net; the storage says what is wrong with it
    if not text or "\0" in text or carries_password:
        message = "a folder or an address, with no password inside"
        raise ValueError(message)
    return text


def _count(number: int) -> int:
    if number < 0:
        message = "0 or more"
        raise ValueError(message)
    return number


@dataclass(frozen=True, slots=True)
class Text:
    """How a key is written in the file, and what makes its value of that; ``convert`` raises ValueError."""

    convert: Callable[[Any], Any]
    written_as: type = str


@dataclass(frozen=True, slots=True, kw_only=True)
class VaultSection:
    """``[vault]``: where the vault is and how it pads packs."""

    url: Annotated[str, Text(_address)] | None = None
    padding: Literal["standard", "uniform"] = "standard"


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceSection:
    """One ``[[sources]]``: a folder to back up, ``~`` expanded; ``exclude`` in gitignore syntax."""

    path: Annotated[str, Text(_folder)]
    label: str | None = None
    exclude: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupSection:
    """``[backup]``: what belongs to a backup, for all sources; ``jobs`` 0 is one worker per core."""

    all_files: bool = False
    one_file_system: bool = False
    exclude: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    xattrs: bool = True
    jobs: Annotated[int, Text(_count, int)] = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreSection:
    """``[restore]``: what happens to a file that is already there."""

    overwrite: Literal["never", "if-newer", "if-changed", "always"] = "never"


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusSection:
    """``[status]``: after how many seconds without a backup ``status`` warns."""

    overdue: Annotated[int, Text(parse_duration)] = 7 * 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The whole file."""

    vault: VaultSection = field(default_factory=VaultSection)
    sources: tuple[SourceSection, ...] = ()
    backup: BackupSection = field(default_factory=BackupSection)
    restore: RestoreSection = field(default_factory=RestoreSection)
    status: StatusSection = field(default_factory=StatusSection)


_T = TypeVar("_T")


def load(path: Path) -> Config:
    """Read the configuration file at ``path``.  Raises ConfigError."""
    try:
        with path.open("rb") as file:
            raw = file.read(_LIMIT + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        message = f"{path}: cannot read the configuration: {reason}"
        raise ConfigError(message, "Check --config, or PHOTOVAULT_CONFIG.") from error
    if len(raw) > _LIMIT:
        message = f"{path}: longer than {_LIMIT} bytes, this is no configuration"
        raise ConfigError(message, "Check --config, or PHOTOVAULT_CONFIG.")
    return parse(_decoded(raw, str(path)), str(path))


def parse(text: str, where: str) -> Config:
    """Check the TOML ``text``; ``where`` is the name of its file for messages.  Raises ConfigError."""
    try:
        table = tomllib.loads(text)
    except RecursionError as error:
        message = f"{where}: nested too deeply"
        raise ConfigError(message) from error
    except ValueError as error:  # also an integer of thousands of digits, which is no TOMLDecodeError
        line = text.count("\n") + 1
        reason = str(error).replace("at end of document", f"at the end, line {line}")
        message = f"{where}: not valid TOML: {reason}"
        raise ConfigError(message, "See config.example.toml for the form.") from error
    _refuse_secrets(table, where)
    return _section(Config, table, where, "")


def _decoded(raw: bytes, where: str) -> str:
    try:
        return raw.decode("utf-8-sig")  # Notepad puts a mark in front
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        message = f"{where}: line {line}: not UTF-8 text"
        raise ConfigError(message, "Save the file as UTF-8.") from error


def _refuse_secrets(table: Mapping[str, Any], where: str) -> None:
    """Refuse a key that sounds like a secret, at any depth.  A stack, since dotted keys nest without a limit."""
    stack: list[Any] = [table]
    while stack:
        value = stack.pop()
        if isinstance(value, list):
            stack += value
        elif isinstance(value, dict):
            stack += value.values()
            for key in value:
                if _SECRET.search(key.lower().replace("_", "-").replace(" ", "-")):
                    message = f"{where}: {_shown(key)}: secrets are not kept in the configuration"
                    hint = "Use --password-file, --password-command or PHOTOVAULT_PASSWORD_FILE, and remove the line."
                    raise ConfigError(message, hint)


def _section(cls: type[_T], table: Mapping[str, Any], where: str, prefix: str) -> _T:
    """Build the dataclass ``cls`` from ``table``, key by key."""
    known = {item.name: item for item in fields(cls)}  # type: ignore[arg-type]
    for key in table:
        if key not in known:
            raise _unknown(key, list(known), where, prefix)
    for name, item in known.items():
        if name not in table and _is_required(item):
            message = f"{where}: {prefix}{name}: missing"
            raise ConfigError(message)
    kinds = get_type_hints(cls, include_extras=True)
    return cls(**{key: _value(kinds[key], value, where, prefix + key) for key, value in table.items()})


def _value(kind: Any, value: Any, where: str, key: str) -> Any:  # noqa: ANN401 - as TOML gave it
    """Turn what TOML gave for ``key`` into a value of the annotation ``kind``."""
    if is_dataclass(kind) and isinstance(kind, type):
        return _section(kind, _typed(dict, value, where, key), where, f"{key}.")
    origin, inner = get_origin(kind), get_args(kind)
    if origin is tuple:
        items = enumerate(_typed(list, value, where, key), 1)
        return tuple(_value(inner[0], item, where, f"{key}[{n}]") for n, item in items)
    if origin in (Union, types.UnionType):
        return _value(inner[0], value, where, key)  # X | None: TOML has no null, so what is there is an X
    if origin is Annotated:
        return _converted(inner[1], value, where, key)
    if origin is Literal:
        return _chosen(inner, value, where, key)
    return _typed(kind, value, where, key)


def _typed(kind: type[_T], value: object, where: str, key: str) -> _T:
    """Return ``value`` if its type is exactly ``kind``: to TOML, ``true`` is not a number."""
    if type(value) is kind:
        return value
    message = f"{where}: {key}: expected {_named(kind)}, got {_named(type(value))}"
    raise ConfigError(message)


def _converted(text: Text, value: object, where: str, key: str) -> object:
    try:
        return text.convert(_typed(text.written_as, value, where, key))
    except ValueError as error:
        message = f"{where}: {key}: expected {error}"
        raise ConfigError(message) from error


def _chosen(choices: tuple[str, ...], value: object, where: str, key: str) -> str:
    text = _typed(str, value, where, key)
    if text in choices:
        return text
    listed = ", ".join(f'"{choice}"' for choice in choices)
    message = f"{where}: {key}: expected one of {listed}, got another text"
    raise ConfigError(message)


def _unknown(key: str, known: list[str], where: str, prefix: str) -> ConfigError:
    """Name the nearest known key: of this section if one is close, else of the whole file."""
    near = difflib.get_close_matches(key[:_SHOWN], known, n=1)
    full = [prefix + near[0]] if near else _nearest_anywhere(key[:_SHOWN])
    thing = "key" if prefix else "section"
    return ConfigError(f"{where}: {prefix}{_shown(key)}: unknown {thing}", f"The nearest known one is {full[0]}.")


def _nearest_anywhere(key: str) -> list[str]:
    by_name: dict[str, str] = {}
    for full in known_keys():
        by_name.setdefault(full.rpartition(".")[2], full)
    return [by_name[name] for name in difflib.get_close_matches(key, by_name, n=1, cutoff=0.0)]


def known_keys() -> Iterator[str]:
    """Every section and key of the file, in order: ``vault``, ``vault.url``, ``vault.padding``, ``sources`` ..."""
    for name, kind in get_type_hints(Config, include_extras=True).items():
        yield name
        for item in fields(get_args(kind)[0] if get_origin(kind) is tuple else kind):
            yield f"{name}.{item.name}"


def _is_required(item: Field[Any]) -> bool:
    return item.default is MISSING and item.default_factory is MISSING


_SHOWN = 60  # characters of a foreign key that a message repeats
_NAMES = {str: "text", bool: "true or false", int: "a whole number", float: "a number", list: "a list", dict: "a table"}


def _named(kind: type) -> str:
    return _NAMES.get(kind, "a date or time")


def _shown(key: str) -> str:
    """Return ``key`` short, with nothing in it that could steer a terminal."""
    return "".join(c if c.isprintable() else "?" for c in key[:_SHOWN])
