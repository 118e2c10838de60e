"""The ways into a vault: list, add, change, remove, test.

A change is two-phase: the new slot is stored, read back and opened before the old one is removed, so a crash in between
leaves two ways in and never none.  The last password or words slot cannot be removed: a device key alone would die with
its device.  After every change the device's newest snapshot is committed again, so that the newest one lists
the slots that there should be, and ``check`` can tell a removed slot from a stolen one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from photovault.app.session import device_name, program, utc_text
from photovault.app.snapshots import newest_of, next_link, remember
from photovault.device import DeviceKey
from photovault.errors import RefusedError, StorageError, UsageError
from photovault.vault import slots as key_slots
from photovault.vault.vault import read_header, read_slots

if TYPE_CHECKING:
    from collections.abc import Callable

    from photovault.app.runs import App
    from photovault.app.session import Session
    from photovault.vault.format import Slot

PEOPLE = frozenset({"password", "words"})
_KEY_SIZE = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyInfo:
    """One way in, for people.  ``used``: this call opened the vault by it; ``tested``: when somebody last proved it."""

    slot_id: str
    kind: str
    label: str
    created: str
    used: bool = False
    tested: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyChange:
    """What a change did; ``left``: a slot that should have gone but that the storage did not let go, and why."""

    added: str = ""
    removed: str = ""
    left: str = ""


def list_keys(app: App) -> tuple[list[KeyInfo], list[str]]:
    """Every way in, and what is wrong with those that are damaged."""
    with app.session(refresh=False) as session:
        session.vault.only_snapshots()  # which tells of an older state: a way in that was removed may be back
        good, findings = session.vault.slots()
        tests = session.device.last_key_test
        infos = []
        for slot in good:
            if slot.kind == "epoch":
                continue
            info = key_slots.slot_info(slot, session.vault.keyring)
            infos.append(
                KeyInfo(
                    slot_id=slot.slot_id.hex(),
                    kind=slot.kind,
                    label=info.label,
                    created=info.created,
                    used=slot.slot_id == session.slot.slot_id,
                    tested=tests.get(slot.slot_id.hex(), ""),
                )
            )
        return sorted(infos, key=lambda one: (one.created, one.slot_id)), [f"{f.where}: {f.what}" for f in findings]


def add_key(
    app: App, kind: str, secret: str | bytes | None, label: str = "", *, ready: Callable[[], None] = lambda: None
) -> KeyChange:
    """Add a way in: a password (text), words (32 bytes), or a key for this device (no secret).

    ``ready`` is called once the vault is open and before anything in it is changed.
    """
    with app.session(lock=True) as session:
        ready()
        if kind != "device":
            if secret is None:
                raise UsageError(f"a {kind} slot needs its secret")
            slot = session.vault.add_slot(app.new_slot(kind, secret, label or kind))
        else:
            key = app.world.random(_KEY_SIZE)
            slot = session.vault.add_slot(app.new_slot("device", key, label or device_name()))
            _device_key(app, session).save(key)
        _commit_keys(app, session)
        return KeyChange(added=slot.slot_id.hex())


def change_key(
    app: App, kind: str, secret: str | bytes, which: str | None, *, ready: Callable[[], None] = lambda: None
) -> KeyChange:
    """Replace a password or the recovery words: the new one works before the old one goes.  ``ready``: as in ``add_key``."""
    with app.session(lock=True) as session:
        old = _pick(session, kind, which)
        ready()
        label = key_slots.slot_info(old, session.vault.keyring).label
        new = session.vault.add_slot(app.new_slot(kind, secret, label))
        left = _remove(session, old)
        _commit_keys(app, session)
        return KeyChange(added=new.slot_id.hex(), removed="" if left else old.slot_id.hex(), left=left)


def remove_key(app: App, which: str) -> KeyChange:
    """Remove a way in; never the last one that a person can carry in his head or his pocket.

    Raises:
        RefusedError: it is the last password or words slot, or the storage does not delete.
        UsageError: there is no such slot, or several.
    """
    with app.session(lock=True) as session:
        slot = _pick(session, None, which)
        good, _ = session.vault.slots()
        rest = [one for one in good if one.slot_id != slot.slot_id and one.kind in PEOPLE]
        if not rest:
            raise RefusedError(
                "this is the last password or set of recovery words", "add another first with `photovault key add`"
            )
        left = _remove(session, slot)
        if left:
            raise RefusedError(f"the storage did not remove the slot: {left}", "remove it there by hand")
        if slot.slot_id == session.slot.slot_id and slot.kind == "device":
            _device_key(app, session).forget()
        _commit_keys(app, session)
        return KeyChange(removed=slot.slot_id.hex())


def test_key(app: App, secret: str | bytes) -> KeyInfo:
    """Try a password (text) or words (32 bytes) on its own, whatever this device has; remembers the day.

    Raises:
        WrongKeyError: it opens no slot.
    """
    header, slots = read_header(app.storage), read_slots(app.storage)
    words = secret if isinstance(secret, bytes) else None
    password = None if isinstance(secret, bytes) else secret
    keyring, slot = key_slots.open_keyring(header, slots, key_slots.Secrets(words=words, password=lambda: password))
    info = key_slots.slot_info(slot, keyring)
    now = utc_text(app.world.now())
    with app.open_device(header.vault_id) as device:
        device.last_key_test[slot.slot_id.hex()] = now
    return KeyInfo(slot_id=slot.slot_id.hex(), kind=slot.kind, label=info.label, created=info.created, tested=now)


def _pick(session: Session, kind: str | None, which: str | None) -> Slot:
    good, _ = session.vault.slots()
    fitting = [
        slot
        for slot in good
        if slot.kind != "epoch" and (kind is None or slot.kind == kind) and slot.slot_id.hex().startswith(which or "")
    ]
    if len(fitting) == 1:
        return fitting[0]
    what = kind or "key"
    if not fitting:
        raise UsageError(f"there is no {what} slot {which or ''}".rstrip(), "see `photovault key list`")
    raise UsageError(f"several {what} slots fit", "name one by its id, see `photovault key list`")


def _remove(session: Session, slot: Slot) -> str:
    # Not missing, though the newest snapshot lists it, if this run ends before there is one that does not.
    session.device.leaving.setdefault(session.here, set()).add(slot.name)
    session.device.save()
    try:
        session.vault.door.delete(slot.name)
    except StorageError as error:
        return error.what
    return ""


def _device_key(app: App, session: Session) -> DeviceKey:
    return DeviceKey(session.folder, session.vault.keyring.vault_id, keyring=app.may_use_keyring)


def _commit_keys(app: App, session: Session) -> None:
    """The newest snapshot of this device once more, with the slots as they are now."""
    snapshots = session.vault.snapshots()
    own = newest_of(snapshots, session.device.device_id)
    if own is None:
        return
    app.learn(session, snapshots)
    number, previous = next_link(session)
    again = replace(
        own.snapshot,
        number=number,
        previous=previous,
        time=max(utc_text(app.world.now()), own.snapshot.time),
        clear=session.vault.clear_objects(),
        epoch=session.vault.keyring.current.epoch,
        program=program(),
    )
    remember(session, session.vault.commit(again))
