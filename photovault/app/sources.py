"""Which folders a backup takes: those named, or those of the configuration."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from photovault.backup import SourceSpec
from photovault.config import SourceSection
from photovault.errors import ConfigError, UsageError
from photovault.photos.rules import Rules
from photovault.photos.scan import ScanRules, identities

if TYPE_CHECKING:
    from collections.abc import Sequence

    from photovault.app.settings import Setup
    from photovault.backup.guards import Guard

IGNORE_FILE = ".photovaultignore"


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupRequest:
    """What a backup was asked to do.

    Attributes:
        hold: absolute paths of files that still move and are left as they were.
        all_thumbnails: make every thumbnail that is missing, however long it takes.
        reread: read every file again, whatever is known of it.
        allowed: what a guard need not stop.
    """

    paths: Sequence[str] = ()
    all_files: bool = False
    one_file_system: bool = False
    exclude: Sequence[str] = ()
    tags: Sequence[str] = ()
    time: str | None = None
    hold: frozenset[bytes] = frozenset()
    all_thumbnails: bool = False
    reread: bool = False
    allowed: frozenset[Guard] = frozenset()


def sources(setup: Setup, request: BackupRequest) -> list[SourceSpec]:
    """The sources of a run: the folders named, or else those of the configuration.

    Raises:
        UsageError: none at all, one inside another, or a named folder that is not there.
    """
    config = setup.config
    wanted = [SourceSection(path=path) for path in request.paths] or list(config.sources)
    if not wanted:
        raise UsageError("nothing to back up was named", "name a folder, or put [[sources]] into the configuration")
    avoid = identities(setup.own_folders)
    specs: list[SourceSpec] = []
    for one in wanted:
        full = source_path(one.path, must_exist=bool(request.paths))
        if identities([full]) & avoid:
            raise UsageError(
                f"{one.path} is the vault, or a folder of photovault's own", "name the folder of your photos"
            )
        rules = ScanRules(
            all_files=request.all_files or config.backup.all_files,
            one_file_system=request.one_file_system or config.backup.one_file_system,
            exclude=Rules((*config.backup.exclude, *one.exclude, *request.exclude, *ignore_file(full))),
            avoid=avoid,
            hold=request.hold,
        )
        name = _unique(one.label or os.path.basename(full) or "root", {spec.label for spec in specs})
        specs.append(SourceSpec(label=name, path=full, rules=rules))
    _check_nesting(specs)
    return specs


def source_path(path: str, *, must_exist: bool) -> str:
    """The folder that a path names, links resolved; UsageError if it must be there and is not."""
    full = os.path.abspath(os.path.expanduser(path))
    if must_exist and not os.path.isdir(full):
        raise UsageError(f"{path} is not a folder", "name a folder that is there")
    return os.path.realpath(full) if os.path.isdir(full) else full


def ignore_file(source: str) -> list[str]:
    """Patterns of a ``.photovaultignore`` in the source itself."""
    try:
        with open(os.path.join(source, IGNORE_FILE), encoding="utf-8") as file:
            return file.read(1 << 20).splitlines()
    except (FileNotFoundError, NotADirectoryError):
        return []
    except (OSError, UnicodeDecodeError) as error:
        if not os.access(source, os.R_OK | os.X_OK):
            return []  # nothing of this source can be read: the plan will say so
        raise ConfigError(f"cannot read {source}/{IGNORE_FILE}: {error}", "mend or remove it") from None


def _unique(label: str, taken: set[str]) -> str:
    label = label.replace("/", "_")
    candidate, number = label, 2
    while candidate in taken:
        candidate, number = f"{label} ({number})", number + 1
    return candidate


def _check_nesting(specs: Sequence[SourceSpec]) -> None:
    for one in specs:
        for other in specs:
            inside = os.path.join(other.path, "")
            if one is not other and (one.path + os.sep).startswith(inside):
                raise UsageError(f"{one.path} is inside {other.path}", "name only the outer one")
