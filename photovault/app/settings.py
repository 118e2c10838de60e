"""The settings of one call, and the world outside: environment, clock, randomness, somebody to ask.

The command line comes before the environment, the environment before the configuration file, that before the default.
"""

from __future__ import annotations

import os
import re
import secrets
import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from photovault import passwords
from photovault.config import Config, load
from photovault.crypto.wrap import Stretch
from photovault.device import storage_secret
from photovault.errors import ConfigError, UsageError
from photovault.storage.addresses import parse_address
from photovault.storage.folder import FolderStorage
from photovault.storage.opening import Access, open_storage

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from photovault.storage.base import Storage


DEFAULT_STRETCH = Stretch()
_HASTE = 10.0  # seconds
_WITHOUT = "To restore without a configuration: photovault restore --no-config --vault URL --to DIR"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the command line said that concerns every command."""

    vault: str | None = None
    config: str | None = None
    no_config: bool = False
    profile: str | None = None
    password_file: str | None = None
    password_command: str | None = None
    password_fd: int | None = None
    words_file: str | None = None
    wait: bool = False


def _leave_network(*, unix: bool) -> tuple[str, ...]:
    from photovault.sandbox import leave_network  # noqa: PLC0415 - for commands about people only

    return leave_network(unix=unix)


LEAVE_NETWORK: Callable[..., tuple[str, ...]] = _leave_network


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """The world outside: environment, clock, randomness, and somebody to ask, if there is anybody.

    ``leave_network``: takes every network from this process for ever, and says by what; with ``unix``, all but the sockets
    of this computer, until it is called again.
    """

    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    random: Callable[[int], bytes] = secrets.token_bytes
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    ask_password: Callable[[str], str] | None = None
    stretch: Stretch = field(default_factory=lambda: DEFAULT_STRETCH)
    leave_network: Callable[..., tuple[str, ...]] = field(default_factory=lambda: LEAVE_NETWORK)


class Setup:
    """What the settings and the world outside amount to; nothing is read before it is asked for."""

    def __init__(self, settings: Settings, world: Surroundings | None = None) -> None:
        """Keep both."""
        self.settings = settings
        self.world = world or Surroundings()
        self.warnings: list[str] = []

    def settings_with(self, vault: str) -> Settings:
        """The same settings for another vault."""
        return replace(self.settings, vault=vault)

    @cached_property
    def config_path(self) -> Path:
        """The configuration file, whether it is there or not."""
        named = self.settings.config or self.world.environ.get("PHOTOVAULT_CONFIG")
        if named:
            return Path(named).expanduser()
        profile = self.settings.profile or "config"
        if re.fullmatch(r"[A-Za-z0-9_-]+", profile) is None:
            raise UsageError("a profile name has only letters, digits, - and _")
        return _user_folder("config") / f"{profile}.toml"

    @cached_property
    def config(self) -> Config:
        """The configuration; the defaults when nobody named a file and the usual one is not there.

        Raises:
            ConfigError: it cannot be used; photos can be restored without it, and the hint says how.
        """
        named = self.settings.config or self.world.environ.get("PHOTOVAULT_CONFIG") or self.settings.profile
        if self.settings.no_config or (not named and not self.config_path.exists()):
            return Config()
        try:
            return load(self.config_path)
        except ConfigError as error:
            raise ConfigError(error.what, f"{error.hint} {_WITHOUT}".strip()) from None

    @property
    def config_if_there(self) -> Config:
        """As ``config``, but the defaults where there is no file yet: ``init`` writes it later.

        What was read once counts, whatever became of its file: a daemon lives longer than an edit.
        """
        return self.config if "config" in self.__dict__ or self.config_path.exists() else Config()

    @cached_property
    def state_dir(self) -> Path:
        """Where this device keeps what must not be lost lightly."""
        named = self.world.environ.get("PHOTOVAULT_STATE_DIR")
        return Path(named).expanduser().absolute() if named else _user_folder("state")

    @cached_property
    def cache_dir(self) -> Path:
        """Where this device keeps what can be made again."""
        named = self.world.environ.get("PHOTOVAULT_CACHE_DIR")
        return Path(named).expanduser().absolute() if named else _user_folder("cache")

    @cached_property
    def people_folder(self) -> Path:
        """Where faces are kept, and what was agreed to about them; never backed up."""
        return self.state_dir / "people"

    @property
    def vault_url(self) -> str:
        """The address of the vault."""
        url = self.settings.vault or self.world.environ.get("PHOTOVAULT_VAULT") or self.config.vault.url
        if not url:
            raise UsageError(
                "no vault was named", f"use --vault, PHOTOVAULT_VAULT, or url under [vault] in {self.config_path}"
            )
        return self.named(url)

    def named(self, text: str) -> str:
        """The address that a destination's name stands for; any other text is an address itself."""
        if not is_bare(text):
            return text
        return {one.name: one.url for one in self.config_if_there.destinations}.get(text, text)

    @cached_property
    def storage(self) -> Storage:
        """The storage at the vault's address."""
        return self.storage_at(self.vault_url)

    @property
    def own_folders(self) -> list[str]:
        """Folders that no backup takes: photovault's own, and the vault and its copies, as far as they are folders."""
        return [str(self.state_dir), str(self.cache_dir), str(self.people_folder), *self.vault_folders]

    @property
    def vault_folders(self) -> list[str]:
        """The vault and its copies, as far as they are folders; another address is none that exists."""
        copies = filter(None, (local_folder(one.url) for one in self.config_if_there.destinations))
        return [self.storage.address, *map(str, copies)]

    def storage_at(self, url: str) -> Storage:
        """The storage at an address.

        Raises:
            UsageError: it is no address, or what is needed to log in is missing.
        """
        folder = local_folder(url)  # which needs no configuration: a restore must not fail for a typing mistake in it
        return open_storage(url, self.access) if folder is None else FolderStorage(folder)

    def glimpse_at(self, url: str) -> Storage:
        """The storage at an address, for a question that can do without an answer: asked once, and for ten seconds."""
        folder = local_folder(url)
        hasty = replace(self.access, retries=0, timeout=min(self.access.timeout, _HASTE))
        return open_storage(url, hasty) if folder is None else FolderStorage(folder)

    @cached_property
    def access(self) -> Access:
        """How remote storages are reached."""
        network = self.config_if_there.network
        return Access(
            environ=self.world.environ,
            secret=storage_secret if self.may_use_keyring else lambda _: None,
            timeout=network.timeout,
            retries=network.retries,
            upload_limit=network.upload_limit,
            download_limit=network.download_limit,
            object_lock_days=network.object_lock_days,
            sleep=self.world.sleep,
            clock=self.world.clock,
            now=self.world.now,
            random=lambda: int.from_bytes(secrets.token_bytes(2)) / 0xFFFF,
            state_dir=self.state_dir,
        )

    def given_password(self) -> str | None:
        """The password that options or the environment give, without asking anybody."""
        return self._given

    @cached_property
    def _given(self) -> str | None:
        """Read once: a pipe cannot be read again."""
        settings = self.settings
        if settings.password_file:
            return passwords.from_file(settings.password_file)
        if settings.password_command:
            return passwords.from_command(settings.password_command)
        if settings.password_fd is not None:
            return passwords.from_fd(settings.password_fd)
        return passwords.environment_password(dict(self.world.environ))

    @property
    def may_use_keyring(self) -> bool:
        """Whether the system's keyring may be asked."""
        return not self.world.environ.get("PHOTOVAULT_NO_KEYRING")


def is_bare(text: str) -> bool:
    """Whether a text can be the name of a destination: a path or an address has a slash, a dot or a colon."""
    return re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", text, re.ASCII) is not None


def local_folder(url: str) -> Path | None:
    """The folder that an address names; None when it names another kind of storage.

    Raises:
        UsageError: it is no address.
    """
    address = parse_address(url)
    return Path(address.path).expanduser().absolute() if address.scheme == "file" else None


def _user_folder(kind: str) -> Path:
    import platformdirs  # noqa: PLC0415 - not needed when the environment names all folders

    found: Callable[..., Any] = getattr(platformdirs, f"user_{kind}_path")
    return Path(found("photovault", appauthor=False))
