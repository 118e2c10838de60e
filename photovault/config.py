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
    from datetime import datetime
    from pathlib import Path

MAIN = "main"  # what the vault of ``[vault]`` is called among the destinations
_LIMIT = 1 << 20  # bytes; a configuration longer than this is a mistake
_HOUR = 3_600.0  # seconds
_DAY = 86_400.0
_MOST_TRIES = 100
_LONGEST_NUMBER = 15  # digits in a duration or size

_UNIT_MILLISECONDS = {"w": 604_800_000, "d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1_000, "ms": 1}
_UNIT_BYTES: dict[str, int] = {f"{k}{b}": 1000**n for n, k in enumerate("KMGT", 1) for b in ("", "B")} | {"": 1, "B": 1}
_UNIT_BYTES |= {f"{k}iB": 1024**n for n, k in enumerate("KMGT", 1)}

_DURATION = re.compile(r"(?:\d+w)?(?:\d+d)?(?:\d+h)?(?:\d+m)?(?:\d+s)?(?:\d+ms)?", re.ASCII)
_DURATION_PART = re.compile(r"(\d+)([a-z]+)", re.ASCII)
_TIME = r"((?:[01]\d|2[0-3]):[0-5]\d)"
_HOURS = re.compile(f"{_TIME}-{_TIME}", re.ASCII)
_SIZE = re.compile(r"(\d+)(?:\.(\d+))? ?([A-Za-z]*)", re.ASCII)
_SECRET = re.compile(r"pass-?(word|phrase|wd|code)|secret|token|credential|recovery|(api|access|private)-?key")


def parse_duration(text: str) -> float:
    """Turn ``"2m"``, ``"7d"``, ``"1h30m"`` or ``"500ms"`` into seconds.

    Units are w, d, h, m, s, ms, each at most once and the longest first.  Raises ValueError on anything else.
    """
    if not text or len(text) > _LONGEST_NUMBER or _DURATION.fullmatch(text) is None:
        message = "a duration such as 500ms, 30s, 1h30m or 7d"
        raise ValueError(message)
    parts = _DURATION_PART.findall(text)
    return sum(int(number) * _UNIT_MILLISECONDS[unit] for number, unit in parts) / 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Hours:
    """A part of the day, in minutes since midnight, local time; over midnight when ``end`` is before ``start``."""

    start: int
    end: int

    def holds(self, when: datetime) -> bool:
        """Whether a local time lies in it."""
        minute = when.hour * 60 + when.minute
        if self.start <= self.end:
            return self.start <= minute < self.end
        return minute >= self.start or minute < self.end


def parse_hours(text: str) -> Hours:
    """Read ``"22:00-07:00"``.  Raises ValueError on anything else."""
    found = _HOURS.fullmatch(text)
    start, end = (_minutes(found[1]), _minutes(found[2])) if found else (0, 0)
    if start == end:
        message = "a part of the day such as 22:00-07:00"
        raise ValueError(message)
    return Hours(start=start, end=end)


def _minutes(text: str) -> int:
    hour, _, minute = text.partition(":")
    return int(hour) * 60 + int(minute)


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


def _destination(text: str) -> str:
    """A name that cannot be taken for an address, nor for the vault of ``[vault]``, which is called main."""
    if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", text, re.ASCII) is None or text == MAIN:
        message = f"a name of letters, digits, - and _, other than {MAIN}, which is the vault itself"
        raise ValueError(message)
    return text


def _count(number: int) -> int:
    if number < 0:
        message = "0 or more"
        raise ValueError(message)
    return number


def _between(shortest: float, longest: float, words: str) -> Callable[[str], float]:
    """A duration from ``shortest`` to ``longest`` seconds."""

    def convert(text: str) -> float:
        seconds = parse_duration(text)
        if not shortest <= seconds <= longest:
            message = f"a duration {words}"
            raise ValueError(message)
        return seconds

    return convert


def _percent(number: int) -> int:
    if not 0 <= number <= 100:  # noqa: PLR2004 - the meaning of percent
        message = "a number from 0 to 100"
        raise ValueError(message)
    return number


def _web_address(text: str) -> str:
    """Refuse what is no address of the web; empty means none."""
    try:
        parts = urlsplit(text)
        _ = parts.port  # which is checked only when it is asked for
        is_web = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.username is None
    except ValueError:
        is_web = False
    if text and not (is_web and text.isascii() and text.isprintable() and " " not in text):
        message = "an address such as https://example.org/..., with no password inside"
        raise ValueError(message)
    return text


def _tries(number: int) -> int:
    if not 0 <= number <= _MOST_TRIES:
        message = f"a number from 0 to {_MOST_TRIES}"
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
class DestinationSection:
    """One ``[[destinations]]``: another storage that holds the same vault."""

    name: Annotated[str, Text(_destination)]
    url: Annotated[str, Text(_address)]


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceSection:
    """One ``[[sources]]``: a folder to back up, ``~`` expanded; ``exclude`` in gitignore syntax."""

    path: Annotated[str, Text(_folder)]
    label: str | None = None
    exclude: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupSection:
    """``[backup]``: what belongs to a backup, for all sources; ``jobs`` 0 is one worker per core.

    ``codec``: whether JPEGs are stored as JPEG XL, from which they come back bit for bit; "auto": at remote storages.
    """

    all_files: bool = False
    one_file_system: bool = False
    exclude: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    xattrs: bool = True
    thumbnails: bool = True
    codec: Literal["off", "jxl", "auto"] = "auto"
    jobs: Annotated[int, Text(_count, int)] = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreSection:
    """``[restore]``: what happens to a file that is already there."""

    overwrite: Literal["never", "if-newer", "if-changed", "always"] = "never"


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusSection:
    """``[status]``: after how many seconds without a backup ``status`` warns."""

    overdue: Annotated[float, Text(parse_duration)] = 7 * _DAY


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkSection:
    """``[network]``: patience (seconds) and limits (bytes per second, 0 for none) for storages that are not folders."""

    timeout: Annotated[float, Text(_between(1, _HOUR, "from 1s to 1h"))] = 60
    retries: Annotated[int, Text(_tries, int)] = 5
    upload_limit: Annotated[int, Text(parse_size)] = 0
    download_limit: Annotated[int, Text(parse_size)] = 0
    object_lock_days: Annotated[int, Text(_count, int)] = 0


_SOON = Text(_between(0, _HOUR, "up to 1h"))
_OFTEN = Text(_between(0.01, _DAY, "from 10ms to 1d"))


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchSection:
    """``[watch]``: when the daemon backs up (durations in seconds), and when it does not (battery in percent)."""

    settle: Annotated[float, _SOON] = 5
    max_delay: Annotated[float, _OFTEN] = 120
    min_interval: Annotated[float, Text(_between(0, 7 * _DAY, "up to 7d"))] = 60
    rescan: Annotated[float, Text(_between(1, 30 * _DAY, "from 1s to 30d"))] = _DAY
    poll: Annotated[float, _OFTEN] = 30
    quiet_hours: tuple[Annotated[Hours, Text(parse_hours)], ...] = ()
    battery_min: Annotated[int, Text(_percent, int)] = 20
    on_metered: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmsSection:
    """``[alarms]``: who is told, by the daemon, that backups fail or are overdue; nobody by default."""

    webhook: Annotated[str, Text(_web_address)] = ""
    healthchecks: Annotated[str, Text(_web_address)] = ""
    desktop: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The whole file."""

    vault: VaultSection = field(default_factory=VaultSection)
    destinations: tuple[DestinationSection, ...] = ()
    sources: tuple[SourceSection, ...] = ()
    backup: BackupSection = field(default_factory=BackupSection)
    restore: RestoreSection = field(default_factory=RestoreSection)
    status: StatusSection = field(default_factory=StatusSection)
    network: NetworkSection = field(default_factory=NetworkSection)
    watch: WatchSection = field(default_factory=WatchSection)
    alarms: AlarmsSection = field(default_factory=AlarmsSection)


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
    config = _section(Config, table, where, "")
    _refuse_twins(config, where)
    _refuse_impatience(config.watch, where)
    return config


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


def _refuse_twins(config: Config, where: str) -> None:
    names = [one.name for one in config.destinations]
    for number, name in enumerate(names, 1):
        if name in names[: number - 1]:
            message = f"{where}: destinations[{number}].name: another destination has that name"
            raise ConfigError(message, "Give each a name of its own.")


def _refuse_impatience(watch: WatchSection, where: str) -> None:
    if watch.settle > watch.max_delay:
        message = f"{where}: watch.settle: longer than watch.max_delay, so nothing would settle in time"
        raise ConfigError(message, "Make settle shorter, or max_delay longer.")


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
