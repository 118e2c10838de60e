"""``photovault people enable|renew|disable|receipt|notice|release``: agreeing, and taking it back.

Nothing but the words, typed for the text that is shown now, makes a consent: Enter is the wrong words, there is no
``--yes``, and without a terminal the words and the text must be named.  Taking it back asks nothing.
"""

from __future__ import annotations

import re
import textwrap
from typing import TYPE_CHECKING, Annotated, Any

import typer

from photovault.cli.options import Call, is_terminal, with_common
from photovault.cli.output import amount, count, printable
from photovault.errors import UsageError

if TYPE_CHECKING:
    from photovault.app import App
    from photovault.app.consent import Agreement, Receipt, Release
    from photovault.cli.output import Output

FAILED = 1
PARTLY = 3
DAMAGED = 13
_TERM = re.compile(r"(\d{1,3}) ?(m|months?|y|years?)?", re.ASCII)
_WIDTH = 100

Term = Annotated[str, typer.Option(metavar="MONTHS", help="For how long: 12m, 2y; at most 36m.")]
Words = Annotated[str | None, typer.Option(metavar="WORDS", help="The words that agree, where nobody can type them.")]
Prefix = Annotated[
    str | None,
    typer.Option(metavar="PREFIX", help="The first 12 digits that `people notice` prints: the text you read."),
]
Scope = Annotated[
    list[str] | None,
    typer.Option(
        metavar="PATH", help="A folder of photos to look at; may be repeated. Without it, your sources as they are."
    ),
]


def register(group: typer.Typer) -> None:
    """Add these commands to the group ``people``."""
    for command in (enable, renew, disable, receipt, notice, allow, disallow):
        group.command()(with_common(command))
    group.add_typer(_releases, name="release", help="The releases of an organisation: who agreed to be named.")


def enable(
    call: Call,
    *,
    scope: Scope = None,
    term: Term = "12m",
    agree: Words = None,
    notice: Prefix = None,
    organisation: Annotated[
        bool, typer.Option("--organisation", help="You are not a household: names need a release of each person.")
    ] = False,
) -> None:
    """Agree that the faces in your photos are measured and grouped, on this computer only.

    Examples:

      photovault people enable

      photovault people enable --scope ~/Pictures --term 6m

      photovault people enable --scope /srv/photos --agree "group faces" --notice PREFIX

    It shows what you agree to and asks you to type two words. Without a terminal it needs --scope, --agree and --notice.
    The exit code is 4 when the words or the notice are not the right ones; then nothing was changed.
    """
    from photovault.app import consent  # noqa: PLC0415 - not needed for --help

    made, out = call.app(), call.output()
    _need({"--scope": scope, "--agree": agree, "--notice": notice})
    months, folders = _months(term), consent.chosen_folders(made, scope or ())
    agreement = _agreement(months, agree, notice, ["These folders:", *(f"  {one}" for one in folders)])
    done = consent.enable(made, folders, agreement, organisation=organisation)
    _show(out, made, done)
    out.line("to look for faces: photovault people scan; to stop and erase everything: photovault people disable")


def renew(call: Call, *, term: Term = "12m", agree: Words = None, notice: Prefix = None) -> None:
    """Agree anew, from today on, for the folders that you chose.

    Examples:

      photovault people renew

      photovault people renew --term 12m --agree "group faces" --notice PREFIX

    Do so before the term ends: then everything is erased. It is also the way on after the notice has changed.
    """
    from photovault.app import consent  # noqa: PLC0415 - not needed for --help

    made, out = call.app(), call.output()
    _need({"--agree": agree, "--notice": notice})
    folders = consent.consent(made).standing().scope
    agreement = _agreement(_months(term), agree, notice, ["These folders:", *(f"  {one}" for one in folders)])
    _show(out, made, consent.renew(made, agreement))


def disable(call: Call) -> None:
    """Stop grouping faces, erase everything that was measured, every group and every name, and prove it.

    Examples:

      photovault people disable

    It asks nothing. Your photos and your backups stay as they are. The exit code is 1 when something could not be erased.
    """
    from photovault.app import consent  # noqa: PLC0415 - not needed for --help

    made, out = call.app(), call.output()
    done = consent.disable(made)
    erased = done.erased
    out.document({"receipt": done.receipt and done.receipt.as_dict(), "verified": erased.verified})
    if done.receipt is None:
        out.line("there was nothing to stop, and nothing to erase")
    else:
        out.line(f"{erased.stopped}; erased {count(erased.files, 'file')}, {amount(erased.size)}")
        out.line("looked again: no face data and no key are left" if erased.verified else "NOT everything is erased")
        out.line()
        _print(out, done.receipt.text())
    for problem in erased.problems:
        out.warn(f"not erased: {problem}")
    raise typer.Exit(0 if erased.verified else FAILED)


def receipt(
    call: Call, *, everything: Annotated[bool, typer.Option("--all", help="Every receipt, oldest first.")] = False
) -> None:
    """Show the newest receipt: what was agreed to, taken back or erased, and when.

    Examples:

      photovault people receipt

      photovault people receipt --all --json
    """
    from photovault.app import consent  # noqa: PLC0415 - not needed for --help

    made, out = call.app(), call.output()
    consent.erase_if_lapsed(made)
    there = consent.consent(made)
    newest, standing = there.latest(), there.standing()
    shown = there.receipts() if everything else [newest] if newest else []
    value: dict[str, Any] = {"receipt": newest and newest.as_dict(), "consent": consent.standing_as_dict(standing)}
    if everything:
        value["receipts"] = [one.as_dict() for one in shown]
    out.document(value | {"problems": list(standing.problems)})
    for number, one in enumerate(shown):
        _print(out, ("\n" if number else "") + one.text())
    if not shown:
        out.always("no receipt: nobody has agreed to the grouping of faces")
    for problem in standing.problems:
        out.warn(f"the consent log: {problem}")
    raise typer.Exit(DAMAGED if standing.problems else 0)


def notice(call: Call) -> None:
    """Show what agreeing means, and the digits that name this text.

    Examples:

      photovault people notice

      photovault people notice --json
    """
    from photovault.app.consent import notice as texts  # noqa: PLC0415 - not needed for --help

    out = call.output()
    further = {kind: _told(ask) for kind, ask in texts.OTHERS.items()}
    out.document({"notice": {"version": texts.VERSION} | _told(texts.FACES), "further": further})
    _print(out, texts.NOTICE)
    out.always(f"sha256: {texts.sha256()}")
    out.always(f'to agree without a terminal: --agree "{texts.WORDS}" --notice {texts.PREFIX}')


def allow(
    call: Call,
    what: Annotated[str, typer.Argument(metavar="WHAT", help="names-backup: the names of people go into your backup.")],
    *,
    agree: Words = None,
    notice: Prefix = None,
) -> None:
    """Agree to something further, beyond the grouping of faces: a text and words of its own.

    Examples:

      photovault people allow names-backup

      photovault people allow names-backup --agree "back up names" --notice PREFIX

    It ends with your consent to the grouping of faces, or by `photovault people disallow`.
    """
    from photovault.app import consent  # noqa: PLC0415 - not needed for --help

    made, out = call.app(), call.output()
    ask = consent.notice.OTHERS[_kind(what)]
    consent.consent(made).require()
    _need({"--agree": agree, "--notice": notice})
    if agree is None or notice is None:
        agree, notice = _typed(ask.text, ask.words, []), ask.prefix
    _show(out, made, consent.agree(made, what, consent.Agreement(words=agree, notice_sha=notice)))


def disallow(call: Call, what: Annotated[str, typer.Argument(metavar="WHAT", help="As for `people allow`.")]) -> None:
    """Take something further back; the grouping of faces goes on.

    Examples:

      photovault people disallow names-backup
    """
    from photovault.app import consent  # noqa: PLC0415 - not needed for --help

    made, out = call.app(), call.output()
    done = consent.revoke(made, _kind(what))
    out.document({"receipt": done and done.as_dict()})
    _print(out, done.text() if done else "it was not agreed to")


def _kind(what: str) -> str:
    from photovault.app.consent import notice  # noqa: PLC0415 - not needed for --help

    if what not in notice.OTHERS:
        raise UsageError(f"nothing is called {what}", f"one of: {', '.join(notice.OTHERS)}")
    return what


_releases = typer.Typer(add_completion=False, rich_markup_mode=None, no_args_is_help=True)


@_releases.command("add")
@with_common
def add_release(
    call: Call,
    person: Annotated[str, typer.Argument(metavar="NAME", help="As the person will be named.")],
    *,
    signed: Annotated[str, typer.Option(metavar="DATE", help="The day on the release: 2026-03-31.")],
    minor: Annotated[bool, typer.Option("--minor", help="The person is a child by law.")] = False,
    guardian: Annotated[str, typer.Option(metavar="NAME", help="The parent or guardian who signed for a minor.")] = "",
) -> None:
    """Record that a person, or a parent for a child, signed a release.

    Examples:

      photovault people release add "Anna Berg" --signed 2026-03-31

      photovault people release add "Tim Berg" --signed 2026-03-31 --minor --guardian "Anna Berg"

    For organisations: without a release nobody can be named. Keep the paper; what is written here only says that it is there.
    """
    from photovault.app import consent  # noqa: PLC0415 - not needed for --help

    made, out = call.app(), call.output()
    done = consent.add_release(made, person, signed, minor=minor, guardian=guardian)
    out.document({"release": _release(done)})
    out.line(f"recorded release {done.number}")


@_releases.command("list")
@with_common
def list_releases(call: Call) -> None:
    """List the releases that hold.

    Examples:

      photovault people release list
    """
    from photovault.app import consent  # noqa: PLC0415 - not needed for --help

    made, out = call.app(), call.output()
    found, problems = consent.releases(made)
    out.document({"releases": [_release(one) for one in found], "problems": list(problems)})
    if not found:
        out.line("no release is on record")
    for one in found:
        guardian = f"  minor, signed by {one.guardian}" if one.minor else ""
        out.always(f"{one.number}  {one.signed}  {one.person}{guardian}")
    for problem in problems:
        out.warn(f"the register of releases: {problem}; until it is mended, nobody can be named")
    raise typer.Exit(DAMAGED if problems else 0)


@_releases.command("withdraw")
@with_common
def withdraw_release(
    call: Call, person: Annotated[str, typer.Argument(metavar="NAME", help="As in `people release list`.")]
) -> None:
    """Record that somebody took the release back: the name is taken away, and can be given no more.

    Examples:

      photovault people release withdraw "Anna Berg"

    `photovault people undo` does not bring it back. The exit code is 3 when the name could not be taken away, as while a
    scan is at work; then do that with `photovault people name NAME --remove`.
    """
    from photovault.app.people import withdraw_release as withdrawn  # noqa: PLC0415 - not needed for --help

    made, out = call.app(), call.output()
    done = withdrawn(made, person)
    taken = [f"p{number}" for number in (done.entry.people if done.entry else ())]
    out.document({"withdrawn": done.release.number, "name_taken_from": taken})
    out.line(f"release {done.release.number} is taken back; {' '.join(taken) or 'nobody'} had the name")
    out.warnings(made.warnings)
    if done.problem:
        out.warn(f"the name was not taken away ({done.problem}): photovault people name NAME --remove")
        raise typer.Exit(PARTLY)


def _release(one: Release) -> dict[str, Any]:
    return {
        "number": one.number,
        "person": one.person,
        "signed": one.signed,
        "minor": one.minor,
        "guardian": one.guardian or None,
        "recorded": one.recorded,
    }


def _need(options: dict[str, object]) -> None:
    """Without a terminal everything must be said; on one, the words and the text go together."""
    missing = [name for name, value in options.items() if not value]
    if missing and not is_terminal():
        raise UsageError(
            f"there is nobody to ask, so {' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} needed",
            "read `photovault people notice` first; it says which words and digits agree to it",
        )
    if len({"--agree", "--notice"} & set(missing)) == 1:
        raise UsageError("--agree and --notice go together", "give both, or leave both out to be asked")


def _agreement(months: int, words: str | None, prefix: str | None, what: list[str]) -> Agreement:
    """What was given by options, or typed under the notice."""
    from photovault.app.consent import Agreement, notice  # noqa: PLC0415 - not needed for --help

    if words is None or prefix is None:
        words = _typed(notice.NOTICE, notice.WORDS, ["", *what, f"For {count(months, 'month')}."])
        prefix = notice.PREFIX
    return Agreement(words=words, notice_sha=prefix, term_months=months)


def _typed(text: str, words: str, more: list[str]) -> str:
    """What is typed under a text."""
    for line in ("", *text.splitlines(), *more, ""):
        typer.echo(printable(line), err=True)
    question = f"To agree, type  {words}  (anything else changes nothing)"
    return str(typer.prompt(question, default="", show_default=False, err=True))


def _months(text: str) -> int:
    found = _TERM.fullmatch(text.strip())
    months = int(found[1]) * (12 if (found[2] or "m").startswith("y") else 1) if found else 0
    from photovault.app.consent import TERM_MOST  # noqa: PLC0415 - not needed for --help

    if not 1 <= months <= TERM_MOST:
        raise UsageError(f"not a term: {text}", f"a number of months such as 12m, from 1m to {TERM_MOST}m")
    return months


def _told(ask: Any) -> dict[str, str]:  # noqa: ANN401 - an Ask, which only app knows
    return {"text": ask.text, "words": ask.words, "sha256": ask.sha256(), "prefix": ask.prefix}


def _show(out: Output, made: App, done: Receipt) -> None:
    out.document({"receipt": done.as_dict()})
    _print(out, done.text(whole=False))
    out.line("with the text that you agreed to: photovault people receipt")
    out.warnings(made.warnings)


def _print(out: Output, text: str) -> None:
    for line in text.splitlines():
        for piece in textwrap.wrap(line, _WIDTH, break_long_words=False, break_on_hyphens=False) or [""]:
            out.always(piece)
