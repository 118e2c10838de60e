"""``photovault init``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from photovault.cli.options import Call, is_terminal
from photovault.cli.output import Output
from photovault.crypto.words import COUNT, to_words
from photovault.durable import create, sync
from photovault.errors import RefusedError, UsageError
from photovault.passwords import strength_problem

if TYPE_CHECKING:
    from collections.abc import Sequence

    from photovault.app import App

_ASKED_BACK = 3
_CLEAR = "\x1b[2J\x1b[3J\x1b[H"  # the screen and what scrolled off it


def command(
    call: Call,
    source: Annotated[
        list[str] | None, typer.Option(metavar="PATH", help="Folder to back up; may be repeated.")
    ] = None,
    words_file: Annotated[
        str | None, typer.Option(metavar="FILE", help="Write the 24 recovery words to FILE instead of showing them.")
    ] = None,
) -> None:
    """Make a vault.

    Examples:

      photovault init --vault /mnt/disk/vault --source ~/Pictures

      photovault init --vault ~/vault --words-file ~/words.txt --password-file ~/pw

    On a terminal it asks for a password and shows 24 recovery words, of which three are asked back. Without one it needs
    --words-file; the password comes from --password-file and the like, and without any the vault opens by the words and
    by this device only. Nobody can open a vault without its password, words or device.
    """
    made, out = call.app(), call.output()
    if not is_terminal() and words_file is None:
        raise UsageError("there is no terminal to show the recovery words on", "use --words-file FILE")
    sources = [os.path.abspath(os.path.expanduser(path)) for path in source or ()]
    for path in sources:
        if not os.path.isdir(path):
            raise UsageError(f"{path} is not a folder", "name a folder that is there")
    make_on_terminal(made, out, words_file=words_file, sources=sources)


def make_on_terminal(made: App, out: Output, *, words_file: str | None, sources: Sequence[str]) -> None:
    """Make the vault, hand over the words, write a first configuration."""
    made.check_vacant()
    where_to = made.storage.address
    password = new_password(made)
    entropy = made.world.random(32)
    words = to_words(entropy)
    if words_file is not None:
        write_words(words_file, words)
    vault, where = made.make_vault(password=password, words=entropy)
    configured = made.write_config(sources)
    out.document(
        {
            "vault": where_to,
            "id": vault.keyring.vault_id.hex(),
            "words_file": words_file,
            "password": password is not None,
            "device_key": where,
            "config": str(made.config_path) if configured else None,
        }
    )
    out.line(f"made a vault in {where_to}")
    out.line(f"  this computer opens it by a key in {where}")
    if password is None:
        out.line("  it has no password; add one with `photovault key add password`")
    if configured:
        out.line(f"  configuration written to {made.config_path}")
    elif made.config_path.exists():
        out.line(f"  {made.config_path} is there already and stays as it is: put this vault in it, or use --vault")
    if words_file is not None:
        out.line(f"  recovery words written to {words_file}: print or copy them, then delete the file")
    else:
        show_words(words)
    vault.places.close()


def new_password(made: App, *, fresh: bool = False) -> str | None:
    """A new password: given by option or environment (unless ``fresh``), or asked for twice; None if nobody is there."""
    given = None if fresh else made.given_password()
    if given is not None:
        return given
    if made.world.ask_password is None:
        return None
    while True:
        first = made.world.ask_password("New password")
        weak = strength_problem(first)
        if weak:
            typer.echo(weak, err=True)
        elif first == made.world.ask_password("The same again"):
            return first
        else:
            typer.echo("they differ; once more", err=True)


def write_words(path: str, words: Sequence[str]) -> None:
    """Write the words to a new file that only its owner can read."""
    write_new(path, "".join(f"{number:2}. {word}\n" for number, word in enumerate(words, 1)), "recovery words")


def write_new(path: str, text: str, what: str) -> None:
    """Write ``text`` to a new file that only its owner can read; ``what`` it holds, for messages.

    Raises:
        UsageError: there is one already.
        RefusedError: it cannot be written; then there is none.
    """
    full = Path(path).expanduser()
    try:
        fd = create(full)
    except FileExistsError:
        raise UsageError(f"{full} is there already", f"name a new file for the {what}") from None
    except OSError as error:
        raise _not_written(full, error) from None
    try:
        with open(fd, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            sync(fd)
    except OSError as error:
        full.unlink(missing_ok=True)  # half of a secret helps nobody
        raise _not_written(full, error) from None


def _not_written(path: Path, error: OSError) -> RefusedError:
    return RefusedError(f"cannot write {path}: {error.strerror}", "name a file in a folder that you may write to")


def show_words(words: Sequence[str]) -> None:
    """Show the words once, and ask three of them back."""
    typer.echo("\nWrite these 24 words on paper. They open the vault for ever, also without the password.\n", err=True)
    for row in range(COUNT // 4):
        line = "  ".join(f"{number + 1:2}. {words[number]:<10}" for number in range(row * 4, row * 4 + 4))
        typer.echo(f"  {line}", err=True)
    typer.echo("", err=True)
    typer.prompt("Press Enter when they are on paper; the screen is cleared", default="", show_default=False, err=True)
    typer.echo(_CLEAR, err=True, nl=False)
    for number in asked_back(words):
        while typer.prompt(f"Word {number}", err=True).strip().lower() != words[number - 1]:
            typer.echo("that is not it; look at your paper", err=True)


def asked_back(words: Sequence[str]) -> list[int]:
    """Three numbers of words, spread over the list, that depend on the words only."""
    step = len(words) // _ASKED_BACK
    return [part * step + 1 + len(words[part]) % step for part in range(_ASKED_BACK)]
