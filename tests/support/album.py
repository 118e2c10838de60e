"""A snapshot of photos with thumbnails and parts that are stored together, written without the backup that chooses them."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from photovault.facts import Facts
from photovault.model import Counts, Entry, EntryKind, Snapshot, Source
from photovault.vault import format as fmt
from photovault.vault.writer import Writer
from photovault.workers import Workers
from tests.vault.some import Codec, add, add_group, noise

if TYPE_CHECKING:
    from collections.abc import Iterable

    from photovault.app.session import Session

METADATA, IMAGE = b"\xff\xd8 metadata ", [noise(3_000, "one"), noise(2_000, "two")]
PLAIN = noise(2_500, "plain")
FILES = {"packed.jpg": METADATA + b"".join(IMAGE), "plain.jpg": PLAIN}


def store_album(session: Session, codec: Codec, *, thumbnails: Iterable[bytes] = (b"a", b"b")) -> list[bytes]:
    """Store ``FILES`` and commit a snapshot of them; the part ids of the thumbnails, one for each file, in a pack apart."""
    vault = session.vault
    with Workers(1) as workers:
        small = Writer(vault, workers)
        seen = [small.add_thumbnail(data) for data in thumbnails]
        small.finish()
        writer = Writer(vault, workers)
        parts = {"plain.jpg": [add(writer, vault, PLAIN)], "packed.jpg": [add(writer, vault, METADATA)]}
        parts["packed.jpg"] += add_group(writer, vault, codec, IMAGE, b"\xff\xd8 tables")
        entries = [_file(name, parts[name], part) for name, part in zip(sorted(FILES), seen, strict=True)]
        commit(session, writer, entries)
    return seen


def commit(session: Session, writer: Writer, entries: list[Entry]) -> None:
    """Store a snapshot of one source with these files."""
    vault, device = session.vault, session.device
    counts = Counts(files=len(entries), size=sum(entry.size for entry in entries))
    inner = tuple(writer.add_listing(page) for page in _pages(entries))
    top = Entry(
        name=b"Pictures",
        kind=EntryKind.FOLDER,
        mode=0o755,
        mtime_ns=0,
        parts=inner,
        size=counts.size,
        files=counts.files,
    )
    root = tuple(writer.add_listing(page) for page in _pages([top]))
    writer.finish()
    vault.commit(
        Snapshot(
            device_id=device.device_id,
            device_name="test",
            number=1,
            time="2024-05-04T12:00:00.000000Z",
            previous=None,
            root=root,
            counts=counts,
            sources=(Source(label="Pictures", path="/Pictures"),),
            clear=vault.clear_objects(),
            epoch=1,
            program="test",
        )
    )


def _file(name: str, parts: list[bytes], thumbnail: bytes) -> Entry:
    data = FILES[name]
    return Entry(
        name=name.encode(),
        kind=EntryKind.FILE,
        mode=0o644,
        mtime_ns=0,
        size=len(data),
        digest=hashlib.sha256(data).digest(),
        parts=tuple(parts),
        facts=Facts(kind="jpeg", thumbnail=thumbnail),
    )


def _pages(entries: list[Entry]) -> Iterable[bytes]:
    return fmt.encode_pages((entry.name, fmt.encode_entry(entry)) for entry in entries)
