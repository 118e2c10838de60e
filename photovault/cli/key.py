"""``photovault key``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from photovault import passwords
from photovault.app import keys
from photovault.cli.init import new_password, show_words, write_new, write_words
from photovault.cli.options import Call, is_terminal, with_common
from photovault.crypto.words import from_words, to_words
from photovault.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from photovault.app import App
    from photovault.app.keys import KeyChange
    from photovault.cli.output import Output

DAMAGED = 13
_ENTROPY = 32
command = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    help="List, add, change, remove, test and print the ways into the vault.",
)

NewPassword = Annotated[str | None, typer.Option(metavar="FILE", help="Read the new password from FILE.")]
NewWords = Annotated[str | None, typer.Option(metavar="FILE", help="Write new recovery words to FILE.")]


class SlotKind(StrEnum):
    """Kinds of ways in that a person adds."""

    PASSWORD = "password"  # noqa: S105 - the name of a kind
    WORDS = "words"
    DEVICE = "device"


@command.command("list")
@with_common
def list_(call: Call) -> None:
    """List every way into the vault.

    Examples:

      photovault key list
    """
    out = call.output()
    found, damaged = keys.list_keys(call.app())
    out.document(
        {
            "keys": [
                {
                    "id": one.slot_id,
                    "kind": one.kind,
                    "label": one.label,
                    "created": one.created,
                    "used": one.used,
                    "tested": one.tested or None,
                }
                for one in found
            ],
            "damaged": damaged,
        }
    )
    for one in found:
        marks = ("  (opened this time)" if one.used else "") + (f"  tested {one.tested[:10]}" if one.tested else "")
        out.always(f"{one.slot_id[:8]}  {one.kind:<8}  made {one.created[:10]}  {one.label}{marks}")
    for problem in damaged:
        out.warn(f"damaged: {problem}")
    raise typer.Exit(DAMAGED if damaged else 0)


@command.command()
@with_common
def add(
    call: Call,
    kind: Annotated[SlotKind, typer.Argument(help="password, words, or device for a key of this computer.")],
    label: Annotated[str, typer.Option(help="A name for it, seen only by who opens the vault.")] = "",
    new_password_file: NewPassword = None,
    new_words_file: NewWords = None,
) -> None:
    """Add a way into the vault.

    Examples:

      photovault key add password --label "Anna"

      photovault key add words --new-words-file ~/words.txt

      photovault key add device --words-file ~/words.txt
    """
    made, out = call.app(), call.output()
    secret = _new_secret(made, kind, new_password_file, new_words_file)
    _show(out, keys.add_key(made, kind, secret, label, ready=_words_writer(secret, new_words_file)))
    _hand_over(kind, secret, new_words_file)


@command.command()
@with_common
def change(
    call: Call,
    kind: Annotated[SlotKind, typer.Argument(help="password or words.")] = SlotKind.PASSWORD,
    which: Annotated[str | None, typer.Option("--id", help="Which one, if there are several.")] = None,
    new_password_file: NewPassword = None,
    new_words_file: NewWords = None,
) -> None:
    """Replace a password or the recovery words; the new one works before the old one goes.

    Examples:

      photovault key change password

      photovault key change words --new-words-file ~/words.txt
    """
    if kind is SlotKind.DEVICE:
        raise UsageError("a device key cannot be changed", "add a new one, then remove the old one")
    made, out = call.app(), call.output()
    secret = _new_secret(made, kind, new_password_file, new_words_file)
    if secret is None:
        raise UsageError("nothing to change it to")
    done = keys.change_key(made, kind, secret, which, ready=_words_writer(secret, new_words_file))
    _show(out, done)
    _show_copies(made, out, done)
    _hand_over(kind, secret, new_words_file)


@command.command()
@with_common
def remove(call: Call, which: Annotated[str, typer.Argument(metavar="ID", help="From `key list`.")]) -> None:
    """Remove a way into the vault; never the last password or words.

    Examples:

      photovault key remove 3fa91c02
    """
    made, out = call.app(), call.output()
    done = keys.remove_key(made, which)
    _show(out, done)
    _show_copies(made, out, done)


@command.command()
@with_common
def test(call: Call) -> None:
    """Prove that your password or recovery words still open the vault.

    Examples:

      photovault key test

      photovault key test --words-file ~/words.txt
    """
    made, out = call.app(), call.output()
    one = keys.test_key(made, _tested_secret(made))
    out.document({"id": one.slot_id, "kind": one.kind, "label": one.label, "tested": one.tested})
    out.line(f"it opens the vault: {one.kind} {one.slot_id[:8]} {one.label}".rstrip())


@command.command()
@with_common
def sheet(
    call: Call,
    to: Annotated[str, typer.Option("--to", metavar="FILE", help="Write the page to this new file.")],
) -> None:
    """Make one page to print: where the vault is, what to do in twenty years, and the 24 words.

    Examples:

      photovault key sheet --to ~/sheet.html

      photovault key sheet --words-file ~/words.txt --to ~/sheet.html

    With --words-file the words are on it, and as a code to scan, after it was tried that they open the vault. Without, there are
    24 lines to write them on by hand. Open it in a browser, print it, and delete the file if the words are in it.
    """
    from photovault.app.sheet import render, sheet_of  # noqa: PLC0415 - not needed for --help

    made, out = call.app(), call.output()
    done = sheet_of(made)
    write_new(to, render(done), "sheet")
    out.document(
        {"file": str(Path(to).expanduser()), "words": bool(done.words), "fingerprint": done.fingerprint or None}
    )
    out.line(f"open {Path(to).expanduser()} in a browser and print it")
    if done.words:
        out.always("it holds the words that open your vault: delete the file when it is printed")
    out.warnings(made.warnings)


def _tested_secret(made: App) -> str | bytes:
    if made.settings.words_file:
        return made.given_words
    given = made.given_password()
    if given is not None:
        return given
    if made.world.ask_password is None:
        raise UsageError("there is no terminal to ask on", "use --password-file, --password-command or --words-file")
    typed = made.world.ask_password("Password, or the 24 words")
    return from_words(typed) if len(typed.split()) >= len(to_words(bytes(_ENTROPY))) else typed


def _new_secret(made: App, kind: SlotKind, password_file: str | None, words_file: str | None) -> str | bytes | None:
    if kind is SlotKind.DEVICE:
        return None
    if kind is SlotKind.WORDS:
        if words_file is None and not is_terminal():
            raise UsageError("there is no terminal to show the recovery words on", "use --new-words-file FILE")
        return made.world.random(_ENTROPY)
    if password_file is not None:
        return passwords.from_file(password_file)
    if made.world.ask_password is None:
        raise UsageError("there is no terminal to ask on", "use --new-password-file FILE")
    return new_password(made, fresh=True)


def _words_writer(secret: str | bytes | None, words_file: str | None) -> Callable[[], None]:
    """Writes new words to their file, once the vault is open and before anything in it is changed."""
    if words_file is None or not isinstance(secret, bytes):
        return lambda: None
    return lambda: write_words(words_file, to_words(secret))


def _hand_over(kind: SlotKind, secret: str | bytes | None, words_file: str | None) -> None:
    if kind is SlotKind.WORDS and words_file is None and isinstance(secret, bytes):
        show_words(to_words(secret))


def _show(out: Output, done: KeyChange) -> None:
    out.document({"added": done.added or None, "removed": done.removed or None, "left": done.left or None})
    if done.added:
        out.line(f"added {done.added[:8]}")
    if done.removed:
        out.line(f"removed {done.removed[:8]}")
    if done.left:
        out.warn(f"warning: the old one still opens the vault: {done.left}; remove it in the storage")


def _show_copies(made: App, out: Output, done: KeyChange) -> None:
    """A copy of the vault has its own key slots: what was removed here still opens it."""
    for one in made.others() if done.removed else ():
        out.warn(f"it may still open {one.name}: photovault key remove {done.removed} --vault {one.name}")
