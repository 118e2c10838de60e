"""``photovault people review|answer``: questions whose answers help most, one at a time, each answer kept at once.

A terminal shows no pictures, and no crop of a face is ever written to a file: a question names the two photos and where in
them the faces are.  Without a terminal nothing is asked: a program lists the questions and answers them one by one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from photovault.cli import keyboard
from photovault.cli.options import Call, is_terminal, with_common
from photovault.cli.output import count, printable
from photovault.cli.people_list import face_row, place
from photovault.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from photovault.app.people import AnswerWord, People, Question, Side
    from photovault.cli.keyboard import Keyboard

_ROUND = 10  # questions that are thought out at once: an answer may settle others
_USUALLY = 20
_KEYS: dict[str, AnswerWord] = {"s": "same", "d": "different", "n": "not a face", "k": "skip", " ": "skip"}
_QUIT, _BACK = "q", "b"
_HELP = "s same   d different   n A is not a face   k skip   b back   q quit"
_NO_TERMINAL = "`photovault people review --json` lists the questions, `photovault people answer ID same` answers one"


def register(group: typer.Typer) -> None:
    """Add the commands to ``people``."""
    group.command()(with_common(review))
    group.command()(with_common(answer))


def review(
    call: Call, limit: Annotated[int, typer.Option(metavar="N", min=1, max=1000, help="Ask so many.")] = _USUALLY
) -> None:
    """Answer questions about who is who, the most useful first.

    Examples:

      photovault people review

      photovault people review --limit 50 --json

    Each question names two photos and where in them the faces are; one key answers it, and the answer is kept at once. No
    picture is written anywhere. With --json the questions are listed, and `photovault people answer` answers them.
    """
    from photovault.app.people import open_people  # noqa: PLC0415 - not needed for --help

    if not call.json and not is_terminal():
        raise UsageError("there is no terminal to ask on", _NO_TERMINAL)
    made, out = call.app(), call.output()
    people = open_people(made)
    if call.json:
        out.document({"questions": [_row(one) for one in people.questions(limit)]})
        return
    with keyboard.opened() as keys:
        asked = _Review(people, limit, keys)
        asked.run()
    out.warnings(made.warnings)
    if not asked.seen:
        out.line("there is nothing to ask")
    else:
        out.line(f"{count(asked.answered, 'answer')} kept; `photovault people undo` takes back the last")


def answer(
    call: Call,
    question: Annotated[str, typer.Argument(metavar="ID", help="Of a question, from `people review --json`.")],
    word: Annotated[str, typer.Argument(metavar="ANSWER", help="same, different, not-a-face or skip.")],
) -> None:
    """Answer one question, for programs.

    Examples:

      photovault people answer f12-f845 same

      photovault people answer f12-f845 not-a-face --json

    "Not a face" is about the first of the two.
    """
    from photovault.app.people import ANSWERS, open_people  # noqa: PLC0415 - not needed for --help

    known = {one.replace(" ", "-"): one for one in ANSWERS}
    meant = known.get(word.strip().lower().replace(" ", "-"))
    if meant is None:
        raise UsageError("that is no answer", f"answer {', '.join(known)}")
    done = open_people(call.app()).answer(question, meant)
    out = call.output()
    out.document({"question": question, "answer": meant, "history": done.id or None})
    out.line(done.text)


class _Review:
    """Questions and the keys that answer them."""

    def __init__(self, people: People, limit: int, keys: Keyboard) -> None:
        self._people = people
        self._limit = limit
        self._keys = keys
        self._kept: list[tuple[Question, int]] = []  # what was answered, and its entry in the history
        self.seen: set[str] = set()

    @property
    def answered(self) -> int:
        return sum(1 for _, entry in self._kept if entry)

    def run(self) -> None:
        for one in self._questions():
            if not self._ask(one):
                return

    def _questions(self) -> Iterator[Question]:
        """New ones, thought out again after each round, as answers settle other questions."""
        while len(self.seen) < self._limit:
            rest = self._limit - len(self.seen)
            fresh = [one for one in self._people.questions(min(_ROUND, rest)) if one.id not in self.seen]
            if not fresh:
                return
            for one in fresh[:rest]:
                self.seen.add(one.id)
                yield one

    def _ask(self, one: Question) -> bool:
        """Ask until it is answered, also again what is taken back; False: that is enough."""
        waiting = [one]
        while waiting:
            self._keys.forget()
            _show(waiting[-1], len(self.seen) - len(waiting) + 1, self._limit)
            key = self._key()
            if key == _QUIT:
                return False
            if key == _BACK:
                self._take_back(waiting)
                continue
            question = waiting.pop()
            done = self._people.answer(question.id, _KEYS[key])
            self._kept.append((question, done.id))
            _say(f"  {_KEYS[key]}")
        return True

    def _key(self) -> str:
        """The next key that means something."""
        while True:
            key = self._keys.key().lower()
            if key == keyboard.END:
                return _QUIT
            if key in (*_KEYS, _QUIT, _BACK):
                return key

    def _take_back(self, waiting: list[Question]) -> None:
        if not self._kept:
            _say("  there is nothing to take back")
            return
        question, entry = self._kept.pop()
        if entry:
            self._people.undo(entry)
        waiting.append(question)
        _say("  taken back; once more")


def _show(one: Question, number: int, limit: int) -> None:
    _say("")
    _say(f"{number} of at most {limit}: is this the same person?")
    _say(f"  A  {_described(one.left)}")
    _say(f"  B  {_described(one.right)}")
    _say(_HELP)


def _described(side: Side) -> str:
    face = side.face
    return f"{face.file}\n     {place(face)}\n     {_whose(side)}"


def _whose(side: Side) -> str:
    if side.person is None:
        return "in no group yet"
    return f"p{side.person}, {side.name or 'no name'}, {count(side.count, 'face')}"


def _say(text: str) -> None:
    typer.echo("\n".join(map(printable, text.split("\n"))), err=True)


def _row(one: Question) -> dict[str, Any]:
    return {"id": one.id, "likely": round(one.likely, 3), "faces": [_side_row(one.left), _side_row(one.right)]}


def _side_row(side: Side) -> dict[str, Any]:
    person = None if side.person is None else f"p{side.person}"
    return face_row(side.face) | {"person": person, "name": side.name or None, "count": side.count}
