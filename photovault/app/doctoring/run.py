"""The order in which an installation is looked over: what others depend on comes first."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from photovault.app.doctoring.installed import installed
from photovault.app.doctoring.machine import machine
from photovault.app.doctoring.places import places
from photovault.app.doctoring.values import Look, bad, good, note
from photovault.app.sources import BackupRequest, sources
from photovault.app.watching import watch_state
from photovault.errors import PhotovaultError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from photovault.app.runs import App


def examine(app: App) -> Iterator[Look]:
    """Everything, one after the other; no error of what is looked at ends it."""
    try:
        app.config  # noqa: B018 - read for its errors
    except PhotovaultError as error:
        yield bad("configuration", error.what, error.hint, str(app.config_path))
        yield from machine(app, ())
        yield from installed()
        return
    yield from _configuration(app)
    folders = [one.path for one in app.config.sources]
    yield from machine(app, [one for one in map(os.path.expanduser, folders) if os.path.isdir(one)])
    yield from installed()
    yield from places(app)
    yield _daemon(app)


def _configuration(app: App) -> Iterator[Look]:
    where = str(app.config_path)
    if not app.config_path.exists():
        yield note("configuration", "there is none", "`photovault init` writes one", where)
    else:
        yield good("configuration", "every key is known", where)
    if not app.config.sources:
        hint = "name the folders of your photos under [[sources]], or with every `photovault backup`"
        yield note("sources", "none is configured", hint)
        return
    try:
        specs = sources(app, BackupRequest())
    except PhotovaultError as error:
        yield bad("sources", error.what, error.hint)
        return
    for one in specs:
        yield _source(one.path)


def _source(path: str) -> Look:
    if not os.path.isdir(path):
        return bad("source", "it is not there", "connect its disk, or mend its path in the configuration", path)
    try:
        os.scandir(path).close()
    except OSError as error:
        return bad("source", f"it cannot be read: {error.strerror}", "give yourself the right to read it", path)
    return good("source", "it can be read", path)


def _daemon(app: App) -> Look:
    """Whether backups are made without anybody asking for them."""
    try:
        state = watch_state(app)
    except PhotovaultError as error:
        return bad("daemon", error.what, error.hint)
    if state is None or not state.running:
        hint = "`photovault service install` has the system run it; without it, you run `photovault backup`"
        return note("daemon", "it is not running", hint)
    if not state.answers:
        return bad("daemon", "it runs and does not answer; its log says why", "end it, and start it again")
    return good("daemon", "it watches your folders")
