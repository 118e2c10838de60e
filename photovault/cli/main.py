"""The entry point: which command, and what becomes of errors.

A command's module is imported only when its name is on the command line, so that ``photovault --help`` answers at once.
Every understood error is one line that says what happened and one that says what to do, with the exit code of its kind;
anything else is a defect and says so, with a traceback only for ``--debug``.
"""

from __future__ import annotations

import gc
import io
import json
import os
import signal
import sys
from importlib import import_module
from keyword import iskeyword
from typing import TYPE_CHECKING, Annotated

import typer

from photovault import __version__
from photovault.cli.options import Call, with_common
from photovault.errors import CancelledError, PhotovaultError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType

COMMANDS = {
    "init": "Make a vault.",
    "backup": "Back up folders: encrypt what is new and store it in the vault.",
    "restore": "Bring files back, bit for bit.",
    "export": "Write chosen photos into one file to hand over, plain or sealed.",
    "import": "Bring photos from Google Photos, a camera or Apple Photos into a folder.",
    "snapshots": "List the snapshots of the vault, oldest first.",
    "ls": "List what a snapshot holds.",
    "find": "Find photos by date, place, camera, kind, rating, text and more.",
    "diff": "Show what changed between two snapshots.",
    "copy": "Bring one copy of the vault up to date from another.",
    "check": "Check that everything in the vault is there and undamaged.",
    "covered": "Tell whether a card may be erased: whether every photo on it is in a snapshot.",
    "drill": "Prove that photos can be restored: fetch a sample, compare it, decode it, and write down the date.",
    "forget": "Forget old snapshots by rules, and give back the room that nothing needs any more.",
    "audit": "Account for everything that left this computer.",
    "status": "Tell whether your photos are safe.",
    "doctor": "Look over this computer, the configuration and every destination, and say what mends what is amiss.",
    "catalog": "Show or make again the list that photos are found with.",
    "watch": "Watch folders, and back up what settled.",
    "gallery": "Look at your photos, find, name and restore them, on a page of this computer.",
    "service": "Have the system run the watching daemon for you.",
    "key": "List, add, change, remove, test and print the ways into the vault.",
    "people": "Group the faces in your photos, on this computer only; off until you ask.",
}

_USUALLY = {"--duplicates": "--duplicates=exact"}

_HELP = """Private photo backup: encrypted on this computer, stored anywhere, restored bit for bit.

Examples:

  photovault init --vault /mnt/disk/vault --source ~/Pictures

  photovault backup

  photovault restore --to ~/Restored

Exit codes: 0 done, 1 failed, 2 wrong use, 3 done in part, 4 consent needed, 10 no vault, 11 busy, 12 wrong password or
words, 13 damage found, 14 gate refused, 15 stopped by a guard, 16 not covered, 17 storage unreachable, 130 cancelled.
"""


def main(args: Sequence[str] | None = None) -> None:
    """Run the command line and leave the process with its exit code."""
    gc.set_threshold(50_000)  # values here seldom form cycles: looking for them often is a tenth of the start
    signal.signal(signal.SIGINT, _cancel)
    signal.signal(signal.SIGTERM, _cancel)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a name must not fail for the terminal's letters
    arguments = list(sys.argv[1:] if args is None else args)
    call = Call()
    try:
        code = _run(arguments, call)
        sys.stdout.flush()
    except BrokenPipeError:  # whoever read our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    sys.exit(code)


def command_line(words: Sequence[str]) -> typer.Typer:
    """All commands; those named in ``words`` in full, the others by their first line of help."""
    app = typer.Typer(
        name="photovault",
        help=_HELP,
        no_args_is_help=True,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
        pretty_exceptions_enable=False,
    )
    app.callback()(with_common(_root))
    for name, line in COMMANDS.items():
        if name not in words:
            app.command(name, help=line)(_stub)
            continue
        module = import_module(f"photovault.cli.{name}{'_' if iskeyword(name) else ''}")
        if isinstance(module.command, typer.Typer):
            app.add_typer(module.command, name=name, help=line)
        else:
            app.command(name)(with_common(module.command))
    return app


def _root(
    call: Call, *, version: Annotated[bool, typer.Option("--version", help="Show the version and leave.")] = False
) -> None:
    """Take the common options that stand before the command's name; ``--version`` never comes this far."""
    del call, version


def _stub() -> None:
    """Stands for a command that was not named."""


def _run(args: list[str], call: Call) -> int:
    if args[:1] == ["--version"]:
        typer.echo(f"photovault {__version__}")
        return 0
    try:
        return _invoke(args, call)
    except PhotovaultError as error:
        if call.debug:
            raise
        return _tell(error, call)
    except KeyboardInterrupt:  # before a command began, or after it ended
        return _tell(CancelledError("cancelled"), call)
    except BrokenPipeError:
        raise
    except Exception as error:
        if call.debug:
            raise
        return _tell(_unexpected(error), call)


def _invoke(args: list[str], call: Call) -> int:
    args = _filled_in(args)
    words = [*args, *os.environ.get("COMP_WORDS", "").split(), *os.environ.get("_TYPER_COMPLETE_ARGS", "").split()]
    command = typer.main.get_command(command_line(words))
    try:
        code = command.main(args, prog_name="photovault", standalone_mode=False, obj=call)
    except typer.TyperException as error:
        call.values["json"] = call.json or "--json" in args  # what was wrong may have come before it
        message = error.format_message()
        if message.startswith("Usage:"):  # a command of several, and none was named: this is their list
            typer.echo(message, err=True)
            return UsageError.exit_code
        where = getattr(getattr(error, "ctx", None), "command_path", "photovault")
        raise UsageError(message, f"see `{where} --help`") from None
    except typer.Abort as stopped:
        if isinstance(stopped.__context__, KeyboardInterrupt):
            raise CancelledError("cancelled at a question") from None
        raise UsageError("stopped at a question") from None
    return code if isinstance(code, int) else 0


def _filled_in(args: list[str]) -> list[str]:
    """Give options that may stand without a value their usual one: typer knows no such options."""
    end = args.index("--") if "--" in args else len(args)
    return [_USUALLY.get(word, word) for word in args[:end]] + args[end:]


def _unexpected(error: Exception) -> PhotovaultError:
    if isinstance(error, OSError) and error.strerror:
        return PhotovaultError(f"{error.strerror}: {error.filename or 'no file named'}", "mend that and try again")
    return PhotovaultError(
        f"unexpected {type(error).__name__}: this is a defect of photovault",
        "run again with --debug and report what it prints; nothing half-done counts in the vault",
    )


def _tell(error: PhotovaultError, call: Call) -> int:
    if call.json:
        value = {"schema": 1, "message_type": "error", "error": error.what, "hint": error.hint}
        sys.stderr.write(json.dumps(value | {"exit_code": error.exit_code}) + "\n")
    else:
        from photovault.cli.output import printable  # noqa: PLC0415 - not needed for --help

        sys.stderr.write(f"error: {printable(error.what)}\n")
        if error.hint:
            sys.stderr.write(f"what to do: {printable(error.hint)}\n")
    return error.exit_code


def _cancel(_signal: int, _frame: FrameType | None) -> None:
    """The first time in order, which waits for the requests under way; the second time at once."""
    signal.signal(signal.SIGINT, _leave)
    signal.signal(signal.SIGTERM, _leave)
    if sys.stderr.isatty():
        sys.stderr.write("\nstopping; once more to leave at once\n")
    raise KeyboardInterrupt


def _leave(_signal: int, _frame: FrameType | None) -> None:
    os._exit(CancelledError.exit_code)  # nothing half-done counts in a vault, so this is as safe as a power cut
