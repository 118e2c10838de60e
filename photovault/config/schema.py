"""What can be configured: one class a section, one field a key, with its type and its default."""

from __future__ import annotations

from dataclasses import dataclass, field, is_dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args, get_type_hints

from photovault.config.addresses import destination_name, folder, vault_address, web_address
from photovault.config.units import (
    DAY,
    HOUR,
    Hours,
    duration_between,
    from_zero,
    heartbeat,
    number_between,
    parse_duration,
    parse_hours,
    parse_size,
    sha256,
    up_to_100,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@dataclass(frozen=True, slots=True)
class Text:
    """How a key is written in the file, and what makes its value of that; ``convert`` raises ValueError."""

    convert: Callable[[Any], Any]
    written_as: type = str


@dataclass(frozen=True, slots=True, kw_only=True)
class VaultSection:
    """``[vault]``: where the vault is, how it pads packs, and whether packs get parity."""

    url: Annotated[str, Text(vault_address)] | None = None
    padding: Literal["standard", "uniform"] = "standard"
    parity: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DestinationSection:
    """One ``[[destinations]]``: another storage that holds the same vault."""

    name: Annotated[str, Text(destination_name)]
    url: Annotated[str, Text(vault_address)]


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceSection:
    """One ``[[sources]]``: a folder to back up, ``~`` expanded; ``exclude`` in gitignore syntax."""

    path: Annotated[str, Text(folder)]
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
    jobs: Annotated[int, Text(from_zero, int)] = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardsSection:
    """``[guards]``: when a backup stops and asks; percent, and ``least`` files.  100 percent: never."""

    changed: Annotated[int, Text(up_to_100, int)] = 30
    lost: Annotated[int, Text(up_to_100, int)] = 30
    broken: Annotated[int, Text(up_to_100, int)] = 10
    least: Annotated[int, Text(from_zero, int)] = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreSection:
    """``[restore]``: what happens to a file that is already there."""

    overwrite: Literal["never", "if-newer", "if-changed", "always"] = "never"


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusSection:
    """``[status]``: after how many seconds without a backup ``status`` warns."""

    overdue: Annotated[float, Text(parse_duration)] = 7 * DAY


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepSection:
    """``[keep]``: which snapshots ``forget`` keeps, of each device and source; durations in seconds.

    Without any number and ``within``, it forgets none.  See ``forget.values.Keep``.
    """

    last: Annotated[int, Text(from_zero, int)] = 0
    hourly: Annotated[int, Text(from_zero, int)] = 0
    daily: Annotated[int, Text(from_zero, int)] = 0
    weekly: Annotated[int, Text(from_zero, int)] = 0
    monthly: Annotated[int, Text(from_zero, int)] = 0
    yearly: Annotated[int, Text(from_zero, int)] = 0
    within: Annotated[float, Text(duration_between(0, 100 * 366 * DAY, "up to 100 years"))] = 0
    tags: tuple[str, ...] = ()
    min_age: Annotated[float, Text(duration_between(0, 366 * DAY, "up to 366d"))] = 7 * DAY
    grace: Annotated[float, Text(duration_between(HOUR, 366 * DAY, "from 1h to 366d"))] = 7 * DAY


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkSection:
    """``[network]``: patience (seconds) and limits (bytes per second, 0 for none) for storages that are not folders."""

    timeout: Annotated[float, Text(duration_between(1, HOUR, "from 1s to 1h"))] = 60
    retries: Annotated[int, Text(up_to_100, int)] = 5
    upload_limit: Annotated[int, Text(parse_size)] = 0
    download_limit: Annotated[int, Text(parse_size)] = 0
    object_lock_days: Annotated[int, Text(from_zero, int)] = 0


_SOON = Text(duration_between(0, HOUR, "up to 1h"))
_OFTEN = Text(duration_between(0.01, DAY, "from 10ms to 1d"))


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchSection:
    """``[watch]``: when the daemon backs up (durations in seconds), and when it does not (battery in percent)."""

    settle: Annotated[float, _SOON] = 5
    max_delay: Annotated[float, _OFTEN] = 120
    min_interval: Annotated[float, Text(duration_between(0, 7 * DAY, "up to 7d"))] = 60
    rescan: Annotated[float, Text(duration_between(1, 30 * DAY, "from 1s to 30d"))] = DAY
    poll: Annotated[float, _OFTEN] = 30
    heartbeat: Annotated[float, Text(heartbeat)] = DAY
    quiet_hours: tuple[Annotated[Hours, Text(parse_hours)], ...] = ()
    battery_min: Annotated[int, Text(up_to_100, int)] = 20
    on_metered: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DrillSection:
    """``[drill]``: how many photos ``drill`` restores and compares; how often the daemon does it when it is idle (seconds)."""

    count: Annotated[int, Text(number_between(1, 1_000_000), int)] = 50
    background: bool = True
    every: Annotated[float, Text(duration_between(HOUR, 365 * DAY, "from 1h to 365d"))] = DAY


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmsSection:
    """``[alarms]``: who is told, by the daemon, that backups fail or are overdue; nobody by default."""

    webhook: Annotated[str, Text(web_address)] = ""
    healthchecks: Annotated[str, Text(web_address)] = ""
    desktop: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PeopleModelSection:
    """``[people.model]``: a model file of the user's own, for ``engine = "onnx"``; see ``people.values.ModelOrder``."""

    path: Annotated[str, Text(folder)]
    sha256: Annotated[str, Text(sha256)]
    size: Annotated[int, Text(number_between(16, 1024), int)] = 112
    alignment: Literal["arcface", "dlib"] = "arcface"
    colours: Literal["rgb", "bgr"] = "rgb"
    mean: Annotated[float, Text(number_between(-1000.0, 1000.0), float)] = 127.5
    scale: Annotated[float, Text(number_between(1e-6, 1000.0), float)] = 1 / 127.5
    metric: Literal["cosine", "euclidean"] = "cosine"
    threshold: Annotated[float, Text(number_between(0.001, 1000.0), float)] = 1.1


@dataclass(frozen=True, slots=True, kw_only=True)
class PeopleSection:
    """``[people]``: how faces are found and told apart, once somebody agreed that they are.

    ``threshold`` 0 goes by the engine and the size of the library; ``edge``: pixels of the longer side at which faces are
    looked for; ``background``: the daemon looks for them when it is idle; ``unsafe_without``: layers of protection that may
    be missing.
    """

    engine: Literal["dlib", "face_recognition", "onnx"] = "dlib"
    threshold: Annotated[float, Text(number_between(0.0, 1000.0), float)] = 0.0
    edge: Annotated[int, Text(number_between(320, 8192), int)] = 2048
    background: bool = True
    unsafe_without: tuple[str, ...] = ()
    model: PeopleModelSection | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GallerySection:
    """``[gallery]``: after how many seconds without anybody it locks; whether ``gallery`` opens the browser."""

    lock_after: Annotated[float, Text(duration_between(60, DAY, "from 1m to 1d"))] = 15 * 60
    open: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The whole file."""

    vault: VaultSection = field(default_factory=VaultSection)
    destinations: tuple[DestinationSection, ...] = ()
    sources: tuple[SourceSection, ...] = ()
    backup: BackupSection = field(default_factory=BackupSection)
    guards: GuardsSection = field(default_factory=GuardsSection)
    restore: RestoreSection = field(default_factory=RestoreSection)
    status: StatusSection = field(default_factory=StatusSection)
    keep: KeepSection = field(default_factory=KeepSection)
    network: NetworkSection = field(default_factory=NetworkSection)
    watch: WatchSection = field(default_factory=WatchSection)
    drill: DrillSection = field(default_factory=DrillSection)
    alarms: AlarmsSection = field(default_factory=AlarmsSection)
    people: PeopleSection = field(default_factory=PeopleSection)
    gallery: GallerySection = field(default_factory=GallerySection)


def known_keys() -> Iterator[str]:
    """Every section and key of the file, in order: ``vault``, ``vault.url``, ``vault.padding``, ``sources`` ..."""
    return _keys(Config, "")


def _keys(section: type, prefix: str) -> Iterator[str]:
    for name, kind in get_type_hints(section, include_extras=True).items():
        yield prefix + name
        for inner in (kind, *get_args(kind)):
            if is_dataclass(inner) and isinstance(inner, type) and inner is not Hours:
                yield from _keys(inner, f"{prefix}{name}.")
