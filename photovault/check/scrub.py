"""Objects and their names: the SHA-256 of every byte, without any key."""

from __future__ import annotations

import hashlib
from functools import partial
from typing import TYPE_CHECKING

from photovault.check.values import CheckReport
from photovault.errors import MissingError
from photovault.model import Finding
from photovault.vault import format as fmt

if TYPE_CHECKING:
    from photovault.gate.door import Door
    from photovault.progress import Progress
    from photovault.storage.base import Storage
    from photovault.workers import Workers

AHEAD = 6  # objects that are asked for before their turn comes


def scrub(storage: Storage, workers: Workers, progress: Progress) -> CheckReport:
    """Compare every sealed object with its name, without any key."""
    sizes = {s.name: s.size for p in fmt.PREFIX_OF.values() for s in storage.listing(p) if fmt.is_name(s.name)}
    progress.total(len(sizes), sum(sizes.values()))
    findings, size = [], 0

    for name, finding in workers.ordered(partial(scrub_one, storage), sorted(sizes), AHEAD):
        if finding is not None:
            findings.append(finding)
        size += sizes[name]
        progress.advance(1, sizes[name], name)
    return CheckReport(findings=tuple(findings), packs=len(sizes), packs_read=len(sizes), bytes_read=size)


def scrub_one(storage: Storage | Door, name: str) -> Finding | None:
    """What is wrong with an object, if anything."""
    try:
        data = storage.get(name)
    except MissingError as error:
        return Finding(what=error.what, where=name)
    if hashlib.sha256(data).digest() != fmt.digest_of(name) or not fmt.is_size(len(data)):
        return Finding(what="its bytes are not those it was stored with", where=name, hint="heal it from another copy")
    return None
