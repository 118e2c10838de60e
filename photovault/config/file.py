"""The file itself: its bytes, its TOML, and what holds across sections.  No secret may be in it."""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING, Any

from photovault.config.schema import Config
from photovault.config.walk import section, shown
from photovault.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from photovault.config.schema import WatchSection

_LIMIT = 1 << 20  # bytes; a configuration longer than this is a mistake
_OTHER_FILE = "Check --config, or PHOTOVAULT_CONFIG."
_SECRET = re.compile(r"pass-?(word|phrase|wd|code)|secret|token|credential|recovery|(api|access|private)-?key")


def load(path: Path) -> Config:
    """Read the configuration file at ``path``.  Raises ConfigError."""
    try:
        with path.open("rb") as file:
            raw = file.read(_LIMIT + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigError(f"{path}: cannot read the configuration: {reason}", _OTHER_FILE) from error
    if len(raw) > _LIMIT:
        raise ConfigError(f"{path}: longer than {_LIMIT} bytes, this is no configuration", _OTHER_FILE)
    return parse(_decoded(raw, str(path)), str(path))


def parse(text: str, where: str) -> Config:
    """Check the TOML ``text``; ``where`` is the name of its file for messages.  Raises ConfigError."""
    try:
        table = _table(text)
        _refuse_secrets(table)
        config = section(Config, table)
        _refuse_twins(config)
        _refuse_impatience(config.watch)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error.what}", error.hint) from error
    return config


def _decoded(raw: bytes, where: str) -> str:
    try:
        return raw.decode("utf-8-sig")  # Notepad puts a mark in front
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{where}: line {line}: not UTF-8 text", "Save the file as UTF-8.") from error


def _table(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except RecursionError as error:
        raise ConfigError("nested too deeply") from error
    except ValueError as error:  # also an integer of thousands of digits, which is no TOMLDecodeError
        line = text.count("\n") + 1
        reason = str(error).replace("at end of document", f"at the end, line {line}")
        raise ConfigError(f"not valid TOML: {reason}", "See config.example.toml for the form.") from error


def _refuse_secrets(table: Mapping[str, Any]) -> None:
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
                    hint = "Use --password-file, --password-command or PHOTOVAULT_PASSWORD_FILE, and remove the line."
                    raise ConfigError(f"{shown(key)}: secrets are not kept in the configuration", hint)


def _refuse_twins(config: Config) -> None:
    names = [one.name for one in config.destinations]
    for number, name in enumerate(names, 1):
        if name in names[: number - 1]:
            what = f"destinations[{number}].name: another destination has that name"
            raise ConfigError(what, "Give each a name of its own.")


def _refuse_impatience(watch: WatchSection) -> None:
    if watch.settle > watch.max_delay:
        what = "watch.settle: longer than watch.max_delay, so nothing would settle in time"
        raise ConfigError(what, "Make settle shorter, or max_delay longer.")
