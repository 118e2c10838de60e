"""Every destination: whether it can be reached, opened, written, and whether anything can be removed there.

To try that, an empty index is stored and removed again: an object of 16 KiB that says of no pack where it is, so that no reader
minds whether it is there.  The same key makes the same bytes, so where removing is refused one such object stays, however often
this is done.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from photovault.app.doctoring.machine import room
from photovault.app.doctoring.values import Look, bad, good, note
from photovault.app.guarding import free_bytes
from photovault.app.session import parse_time
from photovault.app.settings import local_folder
from photovault.errors import BusyError, NoVaultError, PhotovaultError, StorageError, WrongKeyError
from photovault.storage.probe import is_known_to_overwrite
from photovault.vault.format import ObjectKind, encode_index, object_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from photovault.app.runs import App
    from photovault.app.session import Session

_HOUR: Final = 3600.0
_SLOW: Final = 5.0  # seconds
_APPEND_ONLY: Final = (
    "good against thieves and blackmail, and `photovault forget` gives back no room there; if that was not meant, give this"
    " login the right to delete"
)


def places(app: App) -> Iterator[Look]:
    """What there is to say of every destination."""
    try:
        every = app.destinations()
    except PhotovaultError as error:
        yield bad("vault", error.what, error.hint)
        return
    for one in every:
        yield from _place(app.at(one.name) if one.url != app.vault_url else app, one.name, one.url)


def _place(app: App, name: str, url: str) -> Iterator[Look]:
    folder = local_folder(url)
    if folder is not None and folder.is_dir():
        yield room("room for the vault", free_bytes(folder), name)
    began = time.monotonic()
    try:
        with app.session(lock=True) as session:
            yield _reached(name, app.storage.address, time.monotonic() - began)
            yield from _seen(app, session, name)
            yield from _rights(session, name)
    except BusyError:
        yield note(
            "rights", "not tried, because another run uses the vault", "run `photovault doctor` again later", name
        )
    except NoVaultError as error:
        yield bad(
            "destination", error.what, error.hint or "connect its disk, or `photovault copy` begins a copy there", name
        )
    except WrongKeyError as error:
        yield bad(
            "key", error.what, "see `photovault key list` on a computer that opens it, or use the recovery words", name
        )
    except PhotovaultError as error:
        yield bad("destination", error.what, error.hint or "check its address, its login and the network", name)
    if is_known_to_overwrite(app, app.storage.address):
        hint = "nothing; photovault asks first what is there. Another storage, or versioning, would be safer still"
        yield note("overwriting", "the storage replaces objects though it is told not to", hint, name)


def _reached(name: str, address: str, seconds: float) -> Look:
    what = f"{address} opens in {seconds:.1f} s"
    if seconds > _SLOW:
        return note("destination", what, "nothing, unless the network should be faster", name)
    return good("destination", what, name)


def _seen(app: App, session: Session, name: str) -> Iterator[Look]:
    """What its snapshots say of this computer's clock, and whether it shows all that it should."""
    found = session.vault.snapshots().found
    if found and (parse_time(found[-1].snapshot.time) - app.world.now()).total_seconds() > _HOUR:
        what = f"the newest snapshot is of {found[-1].snapshot.time[:16]} UTC, which is to come"
        yield bad("clock", what, "set the clock of this computer, or of the one that made it", name)
    for sign in app.signs:
        yield bad("state", sign.what, sign.hint, name)
    for finding in session.findings:
        yield bad("index", f"{finding.where}: {finding.what}", "run `photovault check`", name)


def _rights(session: Session, name: str) -> Iterator[Look]:
    """Whether it stores, and whether it removes."""
    try:
        digest = session.vault.send_single(ObjectKind.INDEX, encode_index([]))
    except StorageError as error:
        yield bad(
            "rights", f"nothing can be stored: {error.what}", error.hint or "give this login the right to write", name
        )
        return
    stored = object_name(ObjectKind.INDEX, digest)
    try:
        session.vault.door.delete(stored)
        kept = any(one.name == stored for one in session.vault.door.listing("index/"))
    except StorageError as error:
        yield note("rights", f"it stores, and removes nothing: {error.what}", _APPEND_ONLY, name)
        return
    if kept:
        yield note("rights", "it stores, and what is removed there stays", _APPEND_ONLY, name)
    else:
        yield good("rights", "it stores and removes", name)
