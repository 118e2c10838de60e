"""Packs side by side: the same bytes of each at a time, so that a group takes no more memory than one pack."""

from __future__ import annotations

import hashlib
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from photovault.errors import DamageError, MissingError
from photovault.parity.coding import shards_of
from photovault.vault import format as fmt
from photovault.vault.format import ObjectKind

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from photovault.vault.vault import Vault
    from photovault.workers import Workers

WINDOW = 8 * 1024 * 1024  # bytes of packs that are read at a time, beside as many that are on their way
_STEP = (64 * 1024, 2 * 1024 * 1024)  # of one pack, at least and at most

_ROTTEN = "its bytes are not those it was stored with"


class BadPacksError(Exception):
    """Packs that cannot be read, and why.  It never leaves this room."""

    def __init__(self, bad: Mapping[bytes, str]) -> None:
        """``bad``: by name (SHA-256)."""
        super().__init__()
        self.bad = dict(bad)


class _Range(NamedTuple):
    pack: bytes
    offset: int
    length: int


def columns(
    vault: Vault, workers: Workers, packs: Sequence[bytes], places: range
) -> Iterator[tuple[range, list[bytes]]]:
    """Where some bytes are, and they, of each pack; one run of places after another.

    Raises:
        BadPacksError: packs are missing, or end before.
        StorageError: the storage failed.
    """
    low, high = _STEP
    step = min(max(low, WINDOW // max(len(packs), 1)), high)
    runs = [range(at, min(at + step, places.stop)) for at in range(places.start, places.stop, step)]
    wanted = (_Range(pack, run.start, len(run)) for run in runs for pack in packs)
    fetched = workers.ordered(partial(_fetch, vault), wanted, len(packs) + 1)
    for run in runs:
        column = [data for _, (_, data) in zip(packs, fetched, strict=False)]
        bad = {pack: one.what for pack, one in zip(packs, column, strict=True) if not isinstance(one, bytes)}
        if bad:
            raise BadPacksError(bad)
        yield run, [one for one in column if isinstance(one, bytes)]


def derived(vault: Vault, workers: Workers, packs: Sequence[bytes], size: int) -> Iterator[tuple[range, list[bytes]]]:
    """The shards that packs give, from the beginning to the end: some places, and the bytes of both shards there.

    Raises:
        DamageError: a pack is missing, or ends before.
        StorageError: the storage failed.
    """
    try:
        for places, column in columns(vault, workers, packs, range(size)):
            yield places, shards_of(column)
    except BadPacksError as error:
        raise DamageError("; ".join(error.bad.values())) from None


def _fetch(vault: Vault, wanted: _Range) -> bytes | DamageError | MissingError:
    try:
        return vault.door.get(fmt.object_name(ObjectKind.PACK, wanted.pack), wanted.offset, wanted.length)
    except (DamageError, MissingError) as error:
        return error


def check_packs(vault: Vault, workers: Workers, packs: Sequence[bytes], size: int) -> None:
    """BadPacksError unless all packs are what their names say."""
    digests = Digests(packs)
    for _, column in columns(vault, workers, packs, range(size)):
        digests.add(column)
    digests.check()


class Digests:
    """Whether packs that are read side by side are what their names say."""

    def __init__(self, packs: Sequence[bytes]) -> None:
        """Of these packs nothing was read yet."""
        self._packs = packs
        self._digests = [hashlib.sha256() for _ in packs]

    def add(self, column: Sequence[bytes]) -> None:
        """The next bytes of each."""
        for digest, data in zip(self._digests, column, strict=True):
            digest.update(data)

    def check(self) -> None:
        """BadPacksError unless they are."""
        both = zip(self._packs, self._digests, strict=True)
        bad = {pack: _ROTTEN for pack, digest in both if digest.digest() != pack}
        if bad:
            raise BadPacksError(bad)
