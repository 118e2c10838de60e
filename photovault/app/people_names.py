"""Names of people in a backup: only where somebody agreed to that in words of its own, and never anything else of faces.

A backup takes one small file along, ``names.json``, as a source of its own: SHA-256 of photos, and who is on them.  It is sealed
like any photo.  It is made by the process that has the key (``app.people_process``), written only when it changed, and lies
where the erasing of face data removes it.  Without the consent there is no such file and no such source.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

from photovault.app.consent import consent, names_file
from photovault.app.people_process import names_of_photos
from photovault.backup import SourceSpec
from photovault.device import write_private
from photovault.errors import PhotovaultError
from photovault.people.keeping import markers
from photovault.people.keeping.shred import shred
from photovault.people.tags import encode
from photovault.photos.scan import ScanRules

if TYPE_CHECKING:
    from pathlib import Path

    from photovault.app.runs import App

LABEL: Final = "names of people"


def names_sources(app: App) -> list[SourceSpec]:
    """The source with the names, as they are now; none where nobody agreed to it."""
    file = names_file(app)
    if _is_agreed(app):
        try:
            _write(app, file, encode(names_of_photos(app)))
        except PhotovaultError as error:
            app.warnings.append(f"names of people: {error.what}; the backup has them as they were")
    if not _is_agreed(app):  # asked again: it may have been taken back while the names were looked up
        app.warnings += shred(file)
    if not file.exists():
        return []
    return [SourceSpec(label=LABEL, path=str(file.parent), rules=ScanRules(all_files=True))]


def _is_agreed(app: App) -> bool:
    return app.people_folder.is_dir() and consent(app).agreed("names-backup")


def _write(app: App, path: Path, data: bytes) -> None:
    with suppress(OSError):
        if path.read_bytes() == data:
            return
    app.warnings += markers.mark(app.cache_dir / "people")  # by which the erasing knows it as ours
    write_private(path, data)
