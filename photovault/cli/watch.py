"""``photovault watch``."""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from photovault.cli.options import Call
from photovault.config import parse_duration
from photovault.errors import PhotovaultError, UsageError

if TYPE_CHECKING:
    from types import FrameType

    from photovault.app import App


def command(
    call: Call,
    *,
    now: Annotated[bool, typer.Option("--now", help="Have the running daemon back up at once.")] = False,
    pause: Annotated[
        str | None, typer.Option(metavar="TIME", help="Have the running daemon begin no backup for so long: 30m, 2h.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="End a pause.")] = False,
    stop: Annotated[bool, typer.Option("--stop", help="End the running daemon.")] = False,
) -> None:
    """Watch folders, and back up what settled.

    Examples:

      photovault watch

      photovault watch --pause 2h

      photovault service install

    It watches the [[sources]] of the configuration, here until Ctrl-C; `photovault service install` has the system run it. A photo is backed up a few seconds after
    the last program let go of it, to every destination. What fails is tried again; `photovault status` tells how things stand.
    SIGHUP reads the configuration again. The log names no photos unless -v is given.
    """
    asked = [
        (do, more)
        for do, more, wanted in (
            ("backup-now", {}, now),
            ("pause", {"seconds": _seconds(pause)}, pause is not None),
            ("resume", {}, resume),
            ("stop", {}, stop),
        )
        if wanted
    ]
    if len(asked) > 1:
        raise UsageError("--now, --pause, --resume and --stop are said one at a time")
    if asked:
        _ask(call, *asked[0])
    else:
        _watch(call)


def _seconds(text: str | None) -> float:
    try:
        return parse_duration(text) if text is not None else 0.0
    except ValueError as error:
        raise UsageError(f"--pause: expected {error}") from None


def _ask(call: Call, do: str, more: dict[str, float]) -> None:
    from photovault.app.watching import ask, is_running, resume_later  # noqa: PLC0415 - not needed for --help

    made = call.app()
    if ask(made, do, **more) is None:
        if is_running(made):
            raise PhotovaultError(
                "a daemon is running, and there is no way to ask it; its log says why",
                "end it with Ctrl-C where it runs, or by what started it",
            )
        if do != "resume" or not resume_later(made):
            raise PhotovaultError(
                "no daemon is running", "start it with `photovault watch` or `photovault service install`"
            )
    call.output().document({"done": do})


def _watch(call: Call) -> None:
    from photovault.app.watching import Watching  # noqa: PLC0415 - as above
    from photovault.watch.journal import Journal  # noqa: PLC0415

    made = _app(call)
    journal = Journal(
        sys.stderr,
        lambda: datetime.now().astimezone(),
        as_json=call.json,
        names=bool(call.values.get("verbose")),
        to_systemd="JOURNAL_STREAM" in os.environ and not call.json,
        sources=[os.path.realpath(one.path) for one in made.config.sources],
    )
    watching = Watching(made, journal)

    def end(_signal: int, _frame: FrameType | None) -> None:
        watching.stop()

    def again(_signal: int, _frame: FrameType | None) -> None:
        watching.reload()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, again)
    if not watching.run():
        sys.stderr.flush()
        os._exit(0)  # a storage still has a request of ours; what was not committed is nobody's


def _app(call: Call) -> App:
    """The application, with nobody to ask: a daemon that waits for an answer would wait for ever."""
    made = call.app()
    made.world = replace(made.world, ask_password=None)
    return made
