"""``photovault gallery``."""

from __future__ import annotations

import os
import signal
import sys
import threading
import traceback
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from photovault.cli.options import Call
from photovault.errors import CancelledError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from photovault.app.viewing.serving import Gallery
    from photovault.cli.output import Output


def command(
    call: Call,
    *,
    no_open: Annotated[bool, typer.Option("--no-open", help="Print the link instead of opening the browser.")] = False,
    socket: Annotated[
        str | None, typer.Option(metavar="PATH", help="Listen at a Unix socket instead of loopback; opens no browser.")
    ] = None,
) -> None:
    """Look at your photos, find, name and restore them, on a page of this computer.

    Examples:

      photovault gallery

      photovault gallery --no-open

      photovault gallery --socket $XDG_RUNTIME_DIR/gallery.sock

    The page is served to this computer alone, until Ctrl-C. The link lets in one browser, once, within five minutes. After a quarter
    of an hour without anybody (lock_after under [gallery]) the vault is closed, and its password opens it again.
    """
    from photovault.app.viewing.serving import need_gallery, serving  # noqa: PLC0415 - not needed for --help

    need_gallery()
    if socket == "":
        raise UsageError("--socket is empty", "name a path, or leave the option out")
    app, output = call.app(), call.output()
    told = _told if output.verbose and not output.as_json else _not_told
    with serving(app, Path(socket) if socket else None, note=told, defect=_defect(call)) as gallery:
        _end_by_signals(gallery)
        _show(gallery, output, opens=not (no_open or socket or call.json) and app.config_if_there.gallery.open)
        ended = gallery.run()
        if gallery.was_forlorn:
            output.warn("Nobody used the link while it was good. Run `photovault gallery` again for a new one.")
    if not ended:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)  # a storage still has a request of ours; what was not committed is nobody's


def _show(gallery: Gallery, output: Output, *, opens: bool) -> None:
    from photovault.app.viewing.serving import can_show  # noqa: PLC0415 - as above

    output.document({"url": gallery.url})
    if opens and can_show(os.environ, sys.platform):
        file = gallery.way_in.write(gallery.url)
        # Some browsers keep who started them waiting until they end, so not in this thread.
        threading.Thread(target=webbrowser.open, args=(file.as_uri(),), daemon=True).start()
        output.line("The gallery opens in your browser. Ctrl-C ends it.")
        output.line(f"If nothing appears, open this link, which works once: {gallery.url}")
    else:
        output.always(gallery.url)
        if sys.stderr.isatty() and not output.quiet:
            output.warn("Open this link within five minutes; it works once. Ctrl-C ends the gallery.")
    sys.stdout.flush()


def _end_by_signals(gallery: Gallery) -> None:
    """The first one in order, the second one at once."""

    def end(_signal: int, _frame: FrameType | None) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, leave)
        gallery.stop()

    def leave(_signal: int, _frame: FrameType | None) -> None:
        os._exit(CancelledError.exit_code)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)


def _told(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _not_told(_line: str) -> None:
    """Nobody asked for it."""


def _defect(call: Call) -> Callable[[BaseException], None]:
    """Nothing but the kind of an error is told, for its text may name a photo; with --debug all of it."""

    def tell(error: BaseException) -> None:
        if call.debug:
            traceback.print_exception(error)
        else:
            print(f"unexpected {type(error).__name__}: this is a defect of photovault", file=sys.stderr, flush=True)

    return tell
