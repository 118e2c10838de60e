"""Where else this vault is kept, what each place shows, and what this device learns from it.

Every destination holds the same vault, and each may be behind.  Whatever is looked at is remembered: every snapshot that
is there, the newest one of each device, and what the snapshots there say of other destinations (``heads``).  A destination
that later shows less was rolled back, whoever looks at it.  The numbers of a device run on over all destinations.

``look`` is called whenever the snapshots of the vault that is open are listed, by whatever command: so none can forget to
tell that the storage shows an older state, and it is told before anything is done with what it shows.
"""

from __future__ import annotations

from contextlib import suppress
from copy import copy
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Self

from photovault.app.session import LEDGER_NAME, Opener, place_at, place_of, utc_text
from photovault.app.settings import is_bare, local_folder
from photovault.config import MAIN, DestinationSection
from photovault.device import NOTHING, known_devices, load_device, run_lock
from photovault.errors import BusyError, NoVaultError, PhotovaultError, RefusedError, UsageError
from photovault.gate.door import Outbound
from photovault.gate.ledger import last_sent
from photovault.model import Finding, Head
from photovault.storage.addresses import parse_address
from photovault.vault.chains import Seen, fingerprint, signs
from photovault.vault.format import PREFIX_OF, ObjectKind, object_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from photovault.app.session import Session
    from photovault.app.settings import Settings, Surroundings
    from photovault.device import Device
    from photovault.storage.base import Storage
    from photovault.vault.vault import NamedSnapshot, Snapshots


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What one destination shows.

    Attributes:
        name: as configured; ``main`` is the vault itself.
        address: without secrets.
        newest: its newest snapshot.
        snapshots: how many there are.
        behind: how many snapshots are at other destinations and not here.
        source: the destination that has most of those.
        rolled_back: what was there before and is not now, and other signs of a storage that does not show everything.
        fingerprint: of its state, see ``chains.fingerprint``.
        problem: why nothing is known, empty when all is.
    """

    name: str
    address: str
    newest: NamedSnapshot | None = None
    snapshots: int = 0
    behind: int = 0
    source: str = ""
    rolled_back: tuple[Finding, ...] = ()
    fingerprint: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """The newest state of the vault over all destinations that can be asked.

    Attributes:
        destinations: what each shows; none when there is only one.
        newest: the newest snapshot that any of them shows, None when there is none.
        at: the destination that shows it.
        fingerprint: of everything that is shown anywhere, see ``chains.fingerprint``.
        is_stranger: this device has made no snapshot in this vault: it has nothing of its own to compare with.
        here: what the destination of this call shows, if there are others.
    """

    destinations: tuple[Shown, ...] = ()
    newest: NamedSnapshot | None = None
    at: str = ""
    fingerprint: str = ""
    is_stranger: bool = False
    here: Shown | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """What this device remembers of a destination without asking it.

    Attributes:
        name: as configured.
        address: without secrets.
        has_newest: whether the newest snapshot of this device was seen there; False also when none was.
        snapshot: the newest one of this device that was seen there, empty when none was.
        sent: when this device last stored a snapshot there, ISO 8601; empty when it never did.
    """

    name: str
    address: str
    has_newest: bool
    snapshot: str
    sent: str


class Destinations(Opener):
    """Knows every destination.

    Attributes:
        signs: what was told of the vault in this call, see ``chains.signs``.
        tell: is told of each sign at once; without it, signs are among the warnings.
    """

    def __init__(self, settings: Settings, world: Surroundings | None = None) -> None:
        """Know nothing yet."""
        super().__init__(settings, world)
        self.signs: list[Finding] = []
        self.tell: Callable[[Finding], None] | None = None

    def at(self, text: str) -> Self:
        """The same call for another destination; a password that was given or typed serves there, too."""
        url = self.url_of(text)
        _ = self._main  # is kept from now on, also in the copy: what is main here stays main there
        made = copy(self)
        made.__dict__.pop("storage", None)
        made.settings = self.settings_with(url)
        made.warnings, made.signs = [], []
        return made

    def url_of(self, text: str) -> str:
        """The address that ``main``, a configured name, a path or an address stands for.

        Raises:
            UsageError: it looks like a name, and is none.
        """
        if text == MAIN:
            return self._main
        url = self.named(text)
        if url == text and is_bare(text):
            known = ", ".join([MAIN, *(one.name for one in self.config.destinations)])
            raise UsageError(f"no destination is called {text}", f"known: {known}; write a folder as ./{text}")
        return url

    def distinct(self, source: str, to: str) -> str:
        """The address that ``source`` stands for; UsageError when it is the place ``to``."""
        url = self.url_of(source)
        if _address(url) == _address(to):
            raise UsageError(f"{_address(url)} cannot be copied to itself", "name two different places")
        return url

    @cached_property
    def _main(self) -> str:
        configured = self.config_if_there.vault.url
        return self.named(self.world.environ.get("PHOTOVAULT_VAULT") or configured or self.vault_url)

    def destinations(self) -> list[DestinationSection]:
        """Every place of the vault, that of this call among them, each once."""
        every = [DestinationSection(name=MAIN, url=self._main), *self.config_if_there.destinations]
        if not any(map(self._is_here, every)):
            every.insert(0, DestinationSection(name=_address(self.vault_url), url=self.vault_url))
        found: dict[str, DestinationSection] = {}
        for one in every:
            found.setdefault(_address(one.url), one)
        return list(found.values())

    @property
    def name(self) -> str:
        """What the destination of this call is called."""
        return next(one.name for one in self.destinations() if self._is_here(one))

    def others(self) -> list[DestinationSection]:
        """Every destination but that of this call."""
        return [one for one in self.destinations() if not self._is_here(one)]

    def learn(self, session: Session, snapshots: Snapshots, place: str = "") -> None:
        """Remember what is at a place (the session's, if none is named), and what is said there of others."""
        for one in (*snapshots.found, *snapshots.forgotten):
            session.device.saw(place or session.here, one.snapshot.device_id, one.snapshot.number, one.name)
            for head in one.snapshot.heads:
                session.device.saw(head.storage, head.device_id, head.number, head.snapshot)
        session.vault.heads = tuple(heads_of(session.device, session.here))

    def look(self, session: Session, snapshots: Snapshots) -> None:
        """Hold what the storage shows against what was seen before, tell the difference, and remember what it shows."""
        device, evidence = session.device, session.evidence
        before, known = {place: dict(there) for place, there in device.heads.items()}, known_at(session)
        self.learn(session, snapshots)
        for one in signs(snapshots, session.here, device.heads.get(session.here, {}), known).findings:
            if one not in self.signs:
                self.signs.append(one)
                self._tell(one)
        every = (*snapshots.found, *snapshots.forgotten)
        news = [(one.name, one.snapshot.device_id, one.snapshot.number) for one in every if one.name not in known]
        with suppress(RefusedError, OSError):  # a full disk must not keep anybody from restoring
            if news:
                evidence.note_shown(news, utc_text(self.world.now()))
            if before != device.heads:
                self.keep(session)

    def look_keyless(self, folder: Path, storage: Storage) -> None:
        """What can be told of a storage without a key: the newest snapshots that were there and are not listed.

        ``folder``: the state of the vault.  Whether one of them was forgotten on purpose cannot be told so.
        """
        listed = {one.name for one in storage.listing(PREFIX_OF[ObjectKind.SNAPSHOT])}
        for device in known_devices(folder.parent):
            heads = device.heads.get(place_of(storage), {}) if device.folder == folder else {}
            for number, name in heads.values():
                where = object_name(ObjectKind.SNAPSHOT, bytes.fromhex(name))
                if where not in listed:
                    what = f"{storage.address} shows an older state: snapshot {name[:8]} (number {number}) was there before"
                    hint = (
                        "unless it was forgotten on purpose, what is copied lacks it; see `photovault snapshots` there"
                    )
                    self._tell(Finding(what=what, where=where, hint=hint))

    def _tell(self, sign: Finding) -> None:
        if self.tell is not None:
            self.tell(sign)
        else:
            self.warnings.append(f"{sign.what}; {sign.hint}")

    def keep(self, session: Session) -> None:
        """Write down what was learned, unless a run is under way, which would not know of it and write over it."""
        with suppress(BusyError), run_lock(session.folder, wait=False):
            device = load_device(session.folder, self.world.random)  # as the last run left it
            for place, there in session.device.heads.items():
                for device_id, (number, name) in there.items():
                    device.saw(place, bytes.fromhex(device_id), number, bytes.fromhex(name))
            device.save()

    def ask_others(self, session: Session) -> None:
        """Learn from every other destination that can be reached: each is a witness against a roll-back of this one."""
        for one in self.others():
            try:
                self._ask(session, one)
            except PhotovaultError:
                continue  # a disk that lies in the drawer is no alarm; status says which could not be asked

    def _ask(self, session: Session, one: DestinationSection) -> Snapshots:
        with self.beside(session, one.url, hasty=True) as vault:
            snapshots = vault.only_snapshots()
        self.learn(session, snapshots, place_of(self.storage_at(one.url)))
        return snapshots

    def look_around(self, session: Session, own: Snapshots) -> Around:
        """What every destination shows.  ``own``: what the session's shows."""
        every = self.destinations()
        found: dict[str, Snapshots] = {}
        problems: dict[str, str] = {}
        for one in every:
            try:
                found[one.name] = own if self._is_here(one) else self._ask(session, one)
            except NoVaultError as error:
                hint = f"connect its disk, or begin a copy there with `photovault copy --to {one.name}`"
                problems[one.name] = f"{error.what}; {hint}"
            except PhotovaultError as error:
                problems[one.name] = error.what
        self.look(session, own)  # once more: others may have told what should be here
        everything = _counted(found.values())
        names = {name: {one.name for one in shown.found} & everything.keys() for name, shown in found.items()}
        shown = tuple(
            Shown(name=one.name, address=_address(one.url), problem=problems[one.name])
            if one.name in problems
            else self._shown(session, one, found[one.name], names)
            for one in every
        )
        newest = max(everything.values(), key=_age, default=None)
        return Around(
            destinations=shown if len(every) > 1 else (),
            newest=newest,
            at=next((name for name in names if newest is not None and newest.name in names[name]), ""),
            fingerprint=fingerprint(everything.values()),
            is_stranger=session.device.newest(session.device.device_id) == NOTHING,
            here=next((one for one in shown if one.name == self.name and len(every) > 1), None),
        )

    def remembered(self) -> list[Remembered]:
        """What this device remembers of every destination; nothing when it never saw this vault.  Asks nobody."""
        every = {one.name: _address(one.url) for one in self.destinations()}
        for device in known_devices(self.state_dir / "vaults"):
            if device.heads.keys() & map(place_at, every.values()):
                sent = _sent(device)
                return [_remembered(name, address, device, sent) for name, address in every.items()]
        return []

    def _shown(
        self, session: Session, one: DestinationSection, snapshots: Snapshots, names: Mapping[str, set[bytes]]
    ) -> Shown:
        source = max(names, key=lambda name: len(names[name] - names[one.name]))
        behind = set().union(*names.values()) - names[one.name]
        return Shown(
            name=one.name,
            address=_address(one.url),
            newest=snapshots.found[-1] if snapshots.found else None,
            snapshots=len(snapshots.found),
            behind=len(behind),
            source=source if behind else "",
            rolled_back=tuple(self.signs) if self._is_here(one) else self._signs_there(session, one, snapshots),
            fingerprint=fingerprint(snapshots.found),
        )

    def _signs_there(self, session: Session, one: DestinationSection, snapshots: Snapshots) -> tuple[Finding, ...]:
        place = place_of(self.storage_at(one.url))
        return signs(snapshots, place, session.device.heads.get(place, {})).findings

    def _is_here(self, one: DestinationSection) -> bool:
        return _address(one.url) == _address(self.vault_url)


def known_at(session: Session) -> dict[bytes, Seen]:
    """Every snapshot that this device ever saw at the session's destination."""
    rows = session.evidence.shown().items()
    return {name: Seen(device_id=device, number=number, when=since) for name, (device, number, since) in rows}


def _counted(shown: Iterable[Snapshots]) -> dict[bytes, NamedSnapshot]:
    """By name, the snapshots that any of the destinations shows and none says to be forgotten."""
    shown = list(shown)
    removed = frozenset[bytes]().union(*(one.removed for one in shown))
    return {one.name: one for some in shown for one in some.found if one.name not in removed}


def _age(one: NamedSnapshot) -> tuple[str, int, bytes]:
    """The order in which a vault lists its snapshots."""
    return one.snapshot.time, one.snapshot.number, one.name


def _sent(device: Device) -> dict[str, str]:
    with suppress(PhotovaultError):
        return last_sent(device.folder / LEDGER_NAME, Outbound.SNAPSHOT)
    return {}


def _remembered(name: str, address: str, device: Device, sent: Mapping[str, str]) -> Remembered:
    there = device.heads.get(place_at(address), {}).get(device.device_id.hex(), NOTHING)
    return Remembered(
        name=name,
        address=address,
        has_newest=there != NOTHING and there == device.newest(device.device_id),
        snapshot=there[1],
        sent=sent.get(address, ""),
    )


def heads_of(device: Device, here: str) -> Iterator[Head]:
    """What a device knows of every destination, that of ``here`` first."""
    for place in sorted(device.heads, key=lambda place: (place != here, place)):
        for device_id, (number, name) in sorted(device.heads[place].items()):
            yield Head(storage=place, device_id=bytes.fromhex(device_id), number=number, snapshot=bytes.fromhex(name))


def _address(url: str) -> str:
    """An address as its storage shows it: the same for the same place."""
    folder = local_folder(url)
    return parse_address(url).shown if folder is None else str(folder)
