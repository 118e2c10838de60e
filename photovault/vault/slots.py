"""Key slots: each wraps the vault's root under one secret (docs/format.md, section 4).

A slot is bound to its vault, its own id and its kind, and carries a MAC under a key derived from the root.  So whoever
opened the vault by one slot can tell that another slot is damaged or was put there by somebody without the root, even
though he cannot open that one: a rotten recovery slot is found by ``check``, not on the day it is needed.
"""

from __future__ import annotations

import hmac
import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from photovault.crypto import keys as key_tree
from photovault.crypto.keys import FIRST_EPOCH, Keyring
from photovault.crypto.wrap import Stretch, open_note, seal_note, stretch_password, unwrap, wrap
from photovault.errors import DamageError, WrongKeyError
from photovault.vault import format as fmt
from photovault.vault.format import Header, Slot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from photovault.crypto.keys import EpochKeys

_EPOCHS_MAX = 10_000  # a rotation a day for a lifetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Secrets:
    """What a person or device has to open a vault with; each may be absent.

    ``password`` is called only when a password slot is tried, so nobody is asked when the device key opens the vault.
    """

    device: bytes | None = field(default=None, repr=False)
    words: bytes | None = field(default=None, repr=False)
    password: Callable[[], str | None] = field(default=lambda: None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSlot:
    """What a slot is made of; ``secret`` is 32 bytes, or a password when ``stretch`` is given."""

    kind: str
    secret: bytes | str = field(repr=False)
    label: str = ""
    created: str = ""
    slot_id: bytes
    salt: bytes
    stretch: Stretch | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotInfo:
    """What a slot says of itself to whoever opened the vault."""

    label: str
    created: str


def make_slot(new: NewSlot, *, keyring: Keyring, epoch: int | None = None) -> Slot:
    """Wrap a root of ``keyring`` (the current epoch's unless said otherwise) in a new slot."""
    keys = keyring.current
    wrapped_epoch = keys.epoch if epoch is None else epoch
    secret = _stretched(new.secret, new.salt, new.stretch)
    context = fmt.slot_context(keyring.vault_id, new.slot_id, new.kind)
    slot = Slot(
        vault_id=keyring.vault_id,
        slot_id=new.slot_id,
        kind=new.kind,
        epoch=wrapped_epoch,
        stretch=None if new.stretch is None else (new.stretch.memory_kib, new.stretch.passes, new.stretch.lanes),
        salt=new.salt,
        wrapped=wrap(keyring.roots[wrapped_epoch], secret, salt=new.salt, context=context),
        info=_seal_info(new, keys, context),
    )
    return replace(slot, mac=key_tree.mac(keys.slot_mac, slot.signed()))


def open_slot(slot: Slot, secret: bytes | str) -> bytes:
    """The root inside.

    Raises:
        WrongKeyError: another secret, or the slot is damaged where that cannot be told apart.
        DamageError: the secret is right and the slot is damaged.
    """
    stretch = None
    if slot.stretch is not None:
        memory, passes, lanes = slot.stretch
        stretch = Stretch(memory_kib=memory, passes=passes, lanes=lanes).checked()
    return unwrap(slot.wrapped, _stretched(secret, slot.salt, stretch), salt=slot.salt, context=slot.context)


def open_keyring(header: Header, slots: list[Slot], secrets: Secrets) -> tuple[Keyring, Slot]:
    """Open the newest epoch that the secrets reach, and through it all earlier ones.

    Raises:
        WrongKeyError: no slot opens.
        DamageError: the only slot for a secret is damaged, or one opened, but the header or the chain of epochs is not
            this vault's.
    """
    own = [slot for slot in slots if slot.vault_id == header.vault_id]
    damage: DamageError | None = None
    for slot, secret in _attempts(own, secrets):
        try:
            return _keyring(header, own, slot, open_slot(slot, secret)), slot
        except WrongKeyError:
            continue
        except DamageError as error:  # another slot may be sound
            damage = error
    raise damage or WrongKeyError(
        "the password, words or device key do not open this vault",
        "check the spelling and the keyboard, or open it with the recovery words (--words-file)",
    )


def _keyring(header: Header, slots: list[Slot], slot: Slot, root: bytes) -> Keyring:
    """All keys that a root leads to; DamageError unless slot and header were made by somebody who had it."""
    keyring = Keyring.of(header.vault_id, _all_roots(root, slot.epoch, slots))
    check_slot(slot, keyring)
    if not hmac.compare_digest(key_tree.mac(keyring.header_key, header.signed()), header.mac):
        raise DamageError(f"{fmt.HEADER_NAME} was changed")
    return keyring


def check_slot(slot: Slot, keyring: Keyring) -> None:
    """DamageError unless somebody with the root wrote every byte of this slot."""
    epoch = slot.epoch + 1 if slot.kind == "epoch" else slot.epoch
    expected = key_tree.mac(keyring.epoch(epoch).slot_mac, slot.signed())
    if slot.vault_id != keyring.vault_id or not hmac.compare_digest(expected, slot.mac):
        raise DamageError(f"key slot {slot.slot_id.hex()[:8]} ({slot.kind}) is damaged or was not made by this vault")


def slot_info(slot: Slot, keyring: Keyring) -> SlotInfo:
    """Label and creation time of a slot, which need not be one that was opened; DamageError when it says anything else."""
    epoch = slot.epoch + 1 if slot.kind == "epoch" else slot.epoch
    keys = keyring.epoch(epoch)
    plain = open_note(slot.info, keys.slot_info, salt=slot.salt, context=slot.context).rstrip(b"\0")
    try:
        value = json.loads(plain)
        info = SlotInfo(label=str(value["label"]), created=str(value["created"]))
    except (ValueError, KeyError, TypeError):
        raise DamageError(f"key slot {slot.slot_id.hex()[:8]} is damaged") from None
    if fmt.canonical({"created": info.created, "label": info.label}) != plain:
        raise DamageError(f"key slot {slot.slot_id.hex()[:8]} says more than its label and when it was made")
    return info


def _attempts(slots: list[Slot], secrets: Secrets) -> Iterator[tuple[Slot, bytes | str]]:
    newest = sorted(slots, key=lambda slot: (-slot.epoch, slot.slot_id))
    if secrets.device is not None:
        yield from ((slot, secrets.device) for slot in newest if slot.kind == "device")
    if secrets.words is not None:
        yield from ((slot, secrets.words) for slot in newest if slot.kind == "words")
    protected = [slot for slot in newest if slot.kind == "password"]
    password = secrets.password() if protected else None
    if password is not None:
        yield from ((slot, password) for slot in protected)


def _all_roots(root: bytes, epoch: int, slots: Iterable[Slot]) -> dict[int, bytes]:
    if not FIRST_EPOCH <= epoch <= _EPOCHS_MAX:
        raise DamageError("a key slot names an impossible key epoch")
    roots = {epoch: root}
    links = [slot for slot in slots if slot.kind == "epoch"]
    while epoch > FIRST_EPOCH:
        root = _root_before(root, [slot for slot in links if slot.epoch == epoch - 1])
        epoch -= 1
        roots[epoch] = root
    return roots


def _root_before(root: bytes, links: list[Slot]) -> bytes:
    """The root of the epoch before; a rotation that was interrupted may have left a slot that leads nowhere."""
    for slot in links:
        try:
            return open_slot(slot, root)
        except (WrongKeyError, DamageError):
            continue
    raise DamageError("the key of an earlier epoch is missing from this vault")


def _stretched(secret: bytes | str, salt: bytes, stretch: Stretch | None) -> bytes:
    if isinstance(secret, bytes):
        return secret
    if stretch is None:
        raise WrongKeyError("a password does not open this kind of key slot")
    return stretch_password(secret, salt, stretch)


def _seal_info(new: NewSlot, keys: EpochKeys, context: bytes) -> bytes:
    label = new.label
    plain = fmt.canonical({"created": new.created, "label": label})
    while label and len(plain) > fmt.INFO_SIZE:
        label = label[:-1]
        plain = fmt.canonical({"created": new.created, "label": label})
    return seal_note(plain.ljust(fmt.INFO_SIZE, b"\0"), keys.slot_info, salt=new.salt, context=context)
