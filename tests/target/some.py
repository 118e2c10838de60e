"""Files to put into a target."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from photovault.target import Pending, Target


YEAR_2001 = 1_000_000_000_123_456_789
TEMPORARY = b".photovault-0123456789abcdef.tmp"


def ready(target: Target, *parts: bytes, data: bytes = b"photo") -> Pending:
    """Write a file up to the point where only its name is missing."""
    pending = target.begin(parts, len(data))
    pending.write(data)
    pending.finish(mtime_ns=YEAR_2001, mode=0o644)
    return pending


def put(target: Target, *parts: bytes, data: bytes = b"photo") -> None:
    """Restore a file."""
    assert target.commit_all([ready(target, *parts, data=data)]) == []


def files_in(folder: Path) -> dict[str, bytes]:
    """Return every file below ``folder`` with its content."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
