"""Opening and making vaults: the wiring of storage, keys, index, catalog and device."""

from __future__ import annotations

import hashlib
import os
import platform
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, cached_property, partial
from importlib import resources
from typing import TYPE_CHECKING

from photovault import __version__, passwords
from photovault.app.settings import Setup, local_folder
from photovault.catalog import Catalog
from photovault.crypto.wrap import SALT_SIZE
from photovault.device import NOTHING, DeviceKey, load_device, run_lock, write_private
from photovault.errors import RefusedError, StorageError, UsageError
from photovault.evidence import Evidence
from photovault.gate.door import Outbound
from photovault.gate.ledger import Ledger
from photovault.storage.glance import Glance
from photovault.storage.probe import refuses_overwriting, remember_overwriting
from photovault.vault.format import HEADER_NAME, RECOVERY_NAMES, read_entry, shown
from photovault.vault.places import Places
from photovault.vault.slots import NewSlot, Secrets
from photovault.vault.vault import Vault, check_header, check_vacant, create, read_header, unlock

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from photovault.crypto.keys import Keyring
    from photovault.decoder.host import Decoders
    from photovault.device import Device
    from photovault.model import Finding
    from photovault.storage.base import Storage
    from photovault.vault.format import Slot
    from photovault.vault.pack import Unpack
    from photovault.vault.vault import Snapshots

_ID_SIZE = 16
_KEY_SIZE = 32
LEDGER_NAME = "ledger.jsonl"
_CATALOG = "catalog.sqlite"
_EVIDENCE = "evidence.sqlite"
_LATE = 3600.0  # seconds after which others may have removed what a run relies on; every grace period is longer


@dataclass(slots=True, kw_only=True)
class Session:
    """An opened vault and what this device remembers of it.

    Attributes:
        folder: where the state of the vault is, whichever destination was opened.
        here: the destination that was opened, as snapshots call it.
        evidence: what this device saw with its own eyes at this destination.
    """

    vault: Vault
    device: Device
    slot: Slot
    folder: Path
    here: str
    evidence: Evidence
    findings: tuple[Finding, ...] = ()


class Opener(Setup):
    """Opens and makes vaults."""

    @contextmanager
    def session(self, *, lock: bool = False, refresh: bool = True) -> Iterator[Session]:
        """Open the vault.

        Args:
            lock: keep other runs of this device out.
            refresh: compare what is remembered with what the storage lists.

        Raises:
            NoVaultError, WrongKeyError, DamageError, UnknownVersionError, BusyError, StorageError.
        """
        storage = Glance(self.storage, HEADER_NAME)
        header = read_header(storage)
        folder = self.state_dir / "vaults" / header.vault_id.hex()
        with ExitStack() as stack:
            if lock:
                stack.enter_context(run_lock(folder, wait=self.settings.wait))
            keyring, slot = self._unlock(storage, header.vault_id, folder)
            places = self._places(header.vault_id, storage)
            stack.callback(places.close)
            device = load_device(folder, self.world.random)
            ledger = self.ledger(folder, device)
            vault = Vault(storage, keyring, places, ledger, unpack=_unpacker(stack))
            evidence = self._evidence(folder, storage.address, lock=lock)
            stack.callback(evidence.close)
            for pack, parts in evidence.doubts().items():
                places.doubt(pack, parts)
            session = Session(
                vault=vault, device=device, slot=slot, folder=folder, here=place_of(storage), evidence=evidence
            )
            vault.on_snapshots = partial(self.look, session)
            vault.use_number = device.use
            if refresh:
                vault.is_late = self._lateness()
                session.findings = self.bring_up_to_date(session)
            if lock:
                evidence.note_look(utc_text(self.world.now()))
                self._tell_doubts(session)
                vault.note_left_over()
            yield session

    def look(self, session: Session, snapshots: Snapshots) -> None:
        """Hold what the storage shows against what was seen before; whoever knows of other destinations does."""

    def _evidence(self, folder: Path, address: str, *, lock: bool) -> Evidence:
        """What was seen at a destination; a state folder that cannot be written must not keep anybody from his photos."""
        try:
            return Evidence(kept_at(folder, address) / _EVIDENCE)
        except RefusedError:
            if lock:
                raise
            return Evidence(None)

    def _lateness(self) -> Callable[[], bool]:
        """Whether so much time went by since now, by a clock that goes on while the computer sleeps, or was set."""
        began = self.world.now()
        return lambda: not 0 <= (self.world.now() - began).total_seconds() < _LATE

    def note_damage(self, session: Session, bad: Mapping[bytes, Collection[bytes]], why: str) -> None:
        """Remember parts that were found damaged: the next backup to this destination stores them again.

        Args:
            session: where that was seen.
            bad: by pack, the ids of the parts; none means all of the pack.
            why: in a few words.
        """
        when = utc_text(self.world.now())
        for pack, parts in bad.items():
            session.evidence.doubt(pack, parts, why, when)
            session.vault.places.doubt(pack, parts)

    def note_whole(self, session: Session, packs: Iterable[bytes]) -> None:
        """Packs were found whole: what was doubted of them before counts again."""
        doubts = session.evidence.doubts()
        found = [pack for pack in packs if pack in doubts]
        session.evidence.undoubt(found)
        for pack in found:
            session.vault.places.undoubt(pack)

    def settle_doubts(self, session: Session) -> None:
        """Write down which packs a run replaced by whole ones; what others found meanwhile stays."""
        session.evidence.undoubt(session.vault.places.settled)

    def _tell_doubts(self, session: Session) -> None:
        """What is doubted since the last run must be read again; the run lock is held."""
        if session.evidence.has_news:
            self._distrust(session)
            session.evidence.told()

    def ledger(self, folder: Path, device: Device | None = None) -> Ledger:
        """The ledger of everything that leaves for a vault, whose state is in ``folder``."""
        number, _ = device.newest(device.device_id) if device is not None else NOTHING
        return Ledger(folder / LEDGER_NAME, self.world.now, number=number)

    @contextmanager
    def catalog(self, session: Session) -> Iterator[Catalog]:
        """The catalog of the session's vault at its destination; an empty one begins with what another one knows."""
        path = session.folder / _digest(session.vault.door.address) / _CATALOG
        catalog = Catalog(path)
        try:
            if catalog.is_empty():
                self._inherit(session, catalog, path)
            yield catalog
        finally:
            catalog.close()

    def _inherit(self, session: Session, catalog: Catalog, path: Path) -> None:
        """Take over what this device knew for another destination, as far as its parts are at this one, too."""
        known = [one for one in session.folder.glob(f"*/{_CATALOG}") if one != path]
        if known:
            with closing(Catalog(max(known, key=lambda one: one.stat().st_mtime))) as other:
                catalog.take_over(other, session.vault.places.has, lambda entry: read_entry(entry).needed)
            catalog.commit()

    @contextmanager
    def beside(self, session: Session, url: str, *, hasty: bool = False) -> Iterator[Vault]:
        """Another destination of the session's vault, to read from; ``hasty``: one that is slow to answer is away.

        Raises:
            UsageError: it holds another vault.
            NoVaultError, DamageError, StorageError.
        """
        storage = self.glimpse_at(url) if hasty else self.storage_at(url)
        header = read_header(storage)
        if header.vault_id != session.vault.keyring.vault_id:
            raise UsageError(f"{storage.address} holds another vault", "name a copy of this one")
        check_header(header, session.vault.keyring)
        with closing(self._places(header.vault_id, storage)) as places:
            path = session.folder / _digest(storage.address) / _EVIDENCE
            if path.exists():
                with closing(Evidence(path)) as evidence:
                    for pack, parts in evidence.doubts().items():
                        places.doubt(pack, parts)
            yield Vault(storage, session.vault.keyring, places, unpack=session.vault.unpack)

    def _places(self, vault_id: bytes, storage: Storage) -> Places:
        """The memory of what is at one destination; never that of another, which may have more."""
        return Places(self.cache_dir / "vaults" / vault_id.hex() / _digest(storage.address) / "places.sqlite")

    @contextmanager
    def open_device(self, vault_id: bytes) -> Iterator[Device]:
        """What this device remembers of a vault, saved at the end."""
        device = load_device(self.state_dir / "vaults" / vault_id.hex(), self.world.random)
        yield device
        device.save()

    def bring_up_to_date(self, session: Session) -> tuple[Finding, ...]:
        """Compare what is remembered of the index with what the storage lists; returns what cannot be read of it."""
        forgotten = not session.vault.places.packs()  # then nobody can tell what went
        refreshed = session.vault.refresh()
        if refreshed.vanished or refreshed.retired or forgotten:
            self._distrust(session)
        if refreshed.vanished:
            one = refreshed.vanished == 1
            lost = (
                f"{refreshed.vanished:,} pack{'' if one else 's'} that {'was' if one else 'were'} there before "
                f"{'is' if one else 'are'} missing or {'has' if one else 'have'} another size"
            )
            self.warnings.append(f"{lost}; run `photovault check`")
        found = [f"{one.where}: {one.what}; run `photovault check`" for one in refreshed.findings]
        self.warnings += [text for text in found if text not in self.warnings]
        session.vault.places.commit()  # only now: until here a crash would make the next run find the same again
        return refreshed.findings

    def _distrust(self, session: Session) -> None:
        """After packs went, files whose parts went with them must be read again."""
        with self.catalog(session) as catalog:
            catalog.retain(session.vault.places.has, lambda entry: read_entry(entry).needed)
            catalog.commit()

    def _unlock(self, storage: Storage, vault_id: bytes, folder: Path) -> tuple[Keyring, Slot]:
        return unlock(storage, self._secrets(vault_id, folder))

    def _secrets(self, vault_id: bytes, folder: Path) -> Secrets:
        if self.settings.words_file:
            return Secrets(words=self.given_words)
        given = self.given_password()
        if given is not None:
            return Secrets(password=lambda: given)
        device = DeviceKey(folder, vault_id, keyring=self.may_use_keyring).load()
        return Secrets(device=device, password=lambda: self._asked)

    @cached_property
    def given_words(self) -> bytes:
        """What the recovery words in the file that an option names stand for."""
        from photovault.crypto.words import from_words

        return from_words(passwords.from_file(self.settings.words_file or "", "words"))

    @cached_property
    def _asked(self) -> str:
        """Asked once, however often the vault is opened."""
        if self.world.ask_password is None:
            raise UsageError(
                "this device has no key for the vault, and no password was given",
                "use --password-file, --password-command or --words-file",
            )
        return self.world.ask_password("Password of the vault")

    def check_vacant(self) -> None:
        """UsageError when there is a vault already; asked before anything else is."""
        check_vacant(self.storage)

    def make_vault(self, *, password: str | None, words: bytes) -> tuple[Vault, str]:
        """Make a vault with up to three ways in; returns it and where the device key went.

        Args:
            password: for a password slot, None for a vault without one.
            words: 32 random bytes, shown to the user as 24 words.
        """
        vault_id = self.world.random(_ID_SIZE)
        device_key = self.world.random(_KEY_SIZE)
        slots = [self.new_slot("words", words, "recovery words"), self.new_slot("device", device_key, device_name())]
        if password is not None:
            slots.append(self.new_slot("password", password, "password"))
        places = self._places(vault_id, self.storage)
        folder = self.state_dir / "vaults" / vault_id.hex()
        vault = create(
            self.storage,
            vault_id=vault_id,
            root=self.world.random(_KEY_SIZE),
            documents=documents(),
            slots=slots,
            places=places,
            ledger=self.ledger(folder),
        )
        load_device(folder, self.world.random)
        where = DeviceKey(folder, vault_id, keyring=self.may_use_keyring).save(device_key)
        if local_folder(self.vault_url) is None:
            self._probe(vault)
        return vault, where

    def _probe(self, vault: Vault) -> None:
        """Find out whether the storage overwrites, and remember it if so."""
        name, text = next(iter(documents().items()))
        with suppress(StorageError):  # the vault is made, and its words must still be shown
            if not refuses_overwriting(partial(vault.door.publish, Outbound.RECOVERY, name), text):
                remember_overwriting(self, self.storage.address)

    def new_slot(self, kind: str, secret: bytes | str, label: str) -> NewSlot:
        """A slot to be, with fresh randomness and the time of day."""
        return NewSlot(
            kind=kind,
            secret=secret,
            label=label,
            created=utc_text(self.world.now()),
            slot_id=self.world.random(_ID_SIZE),
            salt=self.world.random(SALT_SIZE),
            stretch=self.world.stretch if kind == "password" else None,
        )

    def write_config(self, sources: Sequence[str]) -> bool:
        """Write a first configuration file; False when there is one already, or none is wanted."""
        if self.settings.no_config or self.config_path.exists():
            return False
        lines = ["[vault]", f"url = {_toml(self.vault_url)}", ""]
        for source in sources:
            lines += ["[[sources]]", f"path = {_toml(source)}", ""]
        write_private(self.config_path, "\n".join(lines).encode())
        return True

    def run_time(self, text: str | None) -> str:
        """The time of a snapshot: now, or what ``--time`` says."""
        return utc_text(self.world.now() if text is None else parse_time(text))


def _unpacker(stack: ExitStack) -> Unpack:
    """What decodes JPEG XL: processes that are there from the first photo that needs it until the end of ``stack``."""

    @cache
    def decoders() -> Decoders:  # two threads at once may make two of them, and both end
        from photovault.decoder.host import Decoders

        return stack.enter_context(Decoders())

    return lambda jxl, size: decoders().unpack(jxl, size)


def place_of(storage: Storage) -> str:
    """What snapshots call a storage: its address; a path with the host, because elsewhere it is another folder."""
    return place_at(storage.address)


def place_at(address: str) -> str:
    """As ``place_of``, of the address of a storage that need not be opened for it."""
    return f"file://{device_name()}{address}" if os.path.isabs(address) else address


def _digest(address: str) -> str:
    """A short name for a folder of what is known of one destination."""
    return hashlib.sha256(address.encode("utf-8", "surrogateescape")).hexdigest()[:16]


def kept_at(folder: Path, address: str) -> Path:
    """Where in the state folder of a vault it is kept what this device knows of the destination at ``address``."""
    return folder / _digest(address)


def documents() -> dict[str, bytes]:
    """The recovery documents that every vault carries."""
    folder = resources.files("photovault.vault") / "documents"
    return {name: (folder / name).read_bytes() for name in RECOVERY_NAMES}


def device_name() -> str:
    """What people call this device."""
    return platform.node() or "this device"


def program() -> str:
    """Who writes snapshots."""
    return f"photovault {__version__}"


def utc_text(when: datetime) -> str:
    """ISO 8601 in UTC with microseconds and Z."""
    return when.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def parse_time(text: str) -> datetime:
    """An ISO 8601 time; without an offset it is local."""
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        raise UsageError(
            f"not a time: {text}", "write it as 2026-11-23T14:05:00 or 2026-11-23T14:05:00+01:00"
        ) from None


def _toml(text: str) -> str:
    if any("\ud800" <= c <= "\udfff" for c in text):
        raise UsageError(f"{shown(os.fsencode(text))} is not text, so it cannot be in a configuration", "rename it")
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c.isprintable() else f"\\U{ord(c):08x}" for c in escaped) + '"'
