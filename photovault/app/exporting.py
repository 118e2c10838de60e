"""Exports: chosen photos of a snapshot as one file to hand over."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

from photovault.app.importing import refuse_vault
from photovault.app.snapshots import resolve
from photovault.crypto import age
from photovault.errors import PhotovaultError, UsageError
from photovault.export import ExportReport, SealedFile, new_file, plan_export, run_export
from photovault.vault.reader import Reader
from photovault.workers import Workers

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from photovault.app.runs import App
    from photovault.photos.choose import Choice
    from photovault.progress import Progress
    from photovault.vault.vault import NamedSnapshot

_THREADS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Seal:
    """For whom an export is sealed: a passphrase, or recipients (32 bytes each)."""

    passphrase: str = ""
    recipients: tuple[bytes, ...] = ()


def read_recipients(texts: Sequence[str]) -> tuple[bytes, ...]:
    """What ``age1...`` addresses stand for.

    Raises:
        UsageError: one of them is none.
    """
    found = []
    for text in texts:
        try:
            found.append(age.read_recipient(text))
        except ValueError:
            hint = "it looks like age1 and 58 more letters and digits; `age-keygen` makes one"
            raise UsageError(f"not an age recipient: {text[:80]}", hint) from None
    return tuple(dict.fromkeys(found))


def export_file(
    app: App, name: str, choice: Choice, to: Path, seal: Seal | None, progress: Progress, *, dry_run: bool
) -> tuple[NamedSnapshot, ExportReport]:
    """Write what is chosen of a snapshot into the new file ``to``, a zip; sealed if ``seal`` says for whom.

    Raises:
        UsageError: there is a file of this name already.
        PhotovaultError: nothing of the snapshot is what was asked for.
        RefusedError: no space, or no right to write there.
    """
    refuse_vault(app, to)
    with app.session() as session:
        one = resolve(session.vault.snapshots(), name)
        reader = Reader(session.vault)
        planned = plan_export(reader, one.snapshot.root, choice)
        if not planned.files:
            raise PhotovaultError("nothing in the snapshot matches", "look at it with `photovault ls`")
        if dry_run:
            return one, planned
        progress.total(planned.files, planned.size)
        with ExitStack() as stack:
            file = stack.enter_context(new_file(to, app.world.random(8).hex()))
            workers = stack.enter_context(Workers(_THREADS))
            return one, _write(
                file,
                seal,
                app.world.random,
                lambda out: run_export(reader, one.snapshot.root, out, workers, progress, choice=choice),
            )


def _write(
    file: IO[bytes], seal: Seal | None, random: Callable[[int], bytes], run: Callable[[IO[bytes]], ExportReport]
) -> ExportReport:
    if seal is None:
        return run(file)
    file_key = random(age.KEY)
    stanzas = [age.for_recipient(file_key, one, random(age.SECRET)) for one in seal.recipients]
    if not stanzas:
        stanzas = [age.for_passphrase(file_key, seal.passphrase, random(age.KEY), age.WORK)]
    sealed = SealedFile(file, age.Sealer(file_key, stanzas, random(age.KEY)))
    report = run(sealed)  # type: ignore[arg-type]  # zipfile wants no more than write and flush
    sealed.finish()
    return report
