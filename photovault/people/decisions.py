"""What a person decides about faces: names, merging, splitting, hiding, answers; each one undoable.

Decisions hang on faces (a photo and a box in it), never on groups, which the machine makes anew as it likes.  Naming or
hiding a group, or merging two, confirms the faces that are in it now; an answer confirms the one face that it was about.  A
confirmed face is that person in every later run.  "Different" and splitting keep faces apart for ever, or until the same
person says otherwise; "not a face" takes one out of everything.

Every action is one transaction and one entry of the history, with what it changed (see ``changes``).  ``undo`` takes back the
newest that was not, or any other on which nothing later was built.

Guarantee: two people who both have a name become one by ``merge`` alone, told which name stays.  A kill loses at most the
action under way.  No error has a name in it, only numbers.
"""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from datetime import UTC
from typing import TYPE_CHECKING, Final, NamedTuple

from photovault.errors import ConsentError, UsageError
from photovault.people.naming import clean_name, folded
from photovault.people.shown import HistoryEntry, person_id
from photovault.people.store import changes, listing
from photovault.people.store.changes import Changes, FaceCell
from photovault.people.store.same import SAME_BOX
from photovault.people.values import Box

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence
    from datetime import datetime

    from photovault.people.shown import AnswerWord
    from photovault.people.store.store import Store
    from photovault.people.values import Curve

WITH_GROUP: Final = 1
BY_ITSELF: Final = 2
_KEPT_APART = (
    "SELECT face FROM denials WHERE person = ?1 "
    "UNION SELECT one FROM links JOIN faces ON id = other WHERE NOT same AND coalesce(person, grp) = ?1 "
    "UNION SELECT other FROM links JOIN faces ON id = one WHERE NOT same AND coalesce(person, grp) = ?1"
)
_NO_FACE = FaceCell(None, None, 0, 1)


class Region(NamedTuple):
    """A face that somebody marked elsewhere: a box in a photo on record, and whose it is."""

    photo: int
    name: str
    box: Box


class Imported(NamedTuple):
    """What became of regions: faces that were confirmed, of them made by hand, and those left as they were decided here."""

    entry: HistoryEntry
    confirmed: int
    by_hand: int
    kept: int


class _Face(NamedTuple):
    id: int
    cell: FaceCell

    @property
    def owner(self) -> int | None:
        """Whom it is taken for: the confirmed person, else its group."""
        return self.cell.group if self.cell.person is None else self.cell.person


class Decisions:
    """What is decided, on an open store."""

    def __init__(self, store: Store, now: Callable[[], datetime]) -> None:
        """``now``: the time for the history."""
        self._store = store
        self._db = store.db
        self._now = now

    # Actions --------------------------------------------------------------------------------------------------------

    def name(self, person: int, name: str) -> HistoryEntry:
        """Give a person a name, or another one; "" takes it away.  The faces in the group are confirmed.

        Raises:
            UsageError: there is no such person, or another one has that name.
        """
        name = clean_name(name)
        listing.check(self._db, person)
        other = listing.called(self._db, name)
        if other is not None and other != person:
            merge = f"to make them one: photovault people merge p{other} p{person}"
            raise UsageError(f"p{other} has that name already", merge)
        with self._action() as act:
            act.changes.person(person, name, hidden=self._is_hidden(person))
            count = self._confirm(act.changes, person) if name else 0
            act.said(
                "name", f"p{person} is {name}: {_faces(count)} confirmed" if name else f"p{person} has no name", person
            )
        return act.entry

    def merge(self, one: int, other: int, *, keep: str = "") -> HistoryEntry:
        """Make two groups one person; what was said against it before does not hold any more.

        Args:
            one: a group; it stays, unless the other one has the name that stays.
            other: the other group.
            keep: where both have names, whose stays: ``p7`` or the name.

        Raises:
            UsageError: there is no such person; both have names, and ``keep`` says neither.
        """
        for person in (one, other):
            listing.check(self._db, person)
        if one == other:
            raise UsageError(f"p{one} is one person already", "name two")
        stays = self._who_stays(one, other, keep)
        with self._action() as act:
            count = self._make_one(act.changes, stays, other if stays == one else one)
            act.said("merge", f"p{one} and p{other} are one: p{stays}, {_faces(count)}", stays)
        return act.entry

    def split(self, person: int, *, faces: Sequence[int]) -> HistoryEntry:
        """Take faces out of a group: they are not that person, and become a group of their own.

        Raises:
            UsageError: there is no such person, a face is not in it, or none would be left.
        """
        return self.split_into(person, [faces])

    def split_strict(self, person: int, curve: Curve) -> HistoryEntry:
        """Split a group where its faces are least alike.

        Raises:
            UsageError: there is no such person, or its faces are all alike.
        """
        from photovault.people import regroup  # noqa: PLC0415 - needs numpy, all else here does not

        listing.check(self._db, person)
        parts = regroup.strict_parts(self._store, person, curve)
        if not parts:
            raise UsageError(
                f"the faces of p{person} are all alike", f"name those to take out: photovault people split p{person} f1"
            )
        return self.split_into(person, parts)

    def split_into(self, person: int, parts: Sequence[Sequence[int]]) -> HistoryEntry:
        """As ``split``, with a new group for each part; what is in no part stays."""
        listing.check(self._db, person)
        members = {face.id: face for face in self._members(person)}
        taken = Counter(face for part in parts for face in part)
        self._check_parts(person, members.keys(), taken)
        with self._action() as act:
            new = [
                self._split_off(act.changes, person, [members[face] for face in dict.fromkeys(part)]) for part in parts
            ]
            for face in taken:
                self._unlink(act.changes, face, members.keys() - taken.keys(), same=True)
            whole = ", ".join(f"p{number}" for number in new)
            act.said("split", f"{_faces(len(taken))} of p{person} went to {whole}", person, *new)
        return act.entry

    def hide(self, person: int) -> HistoryEntry:
        """List a person no more; the faces in the group are confirmed, so that they stay hidden together."""
        listing.check(self._db, person)
        with self._action() as act:
            act.changes.person(person, self._name_of(person), hidden=True)
            self._confirm(act.changes, person)
            act.said("hide", f"p{person} is hidden", person)
        return act.entry

    def unhide(self, person: int) -> HistoryEntry:
        """List a person again."""
        listing.check(self._db, person)
        with self._action() as act:
            act.changes.person(person, self._name_of(person), hidden=False)
            act.said("unhide", f"p{person} is listed again", person)
        return act.entry

    def answer(self, against: int, face: int, reply: AnswerWord) -> HistoryEntry:
        """Say whether two faces are one person.

        Args:
            against: the face that stands for a person.
            face: the one in doubt; "not a face" is about it.
            reply: the answer; "skip" is remembered, so that it is not asked again, and is no entry of the history.

        Raises:
            UsageError: there is no such face; or "same" of two people who both have a name.
        """
        left, right = self._face(against), self._face(face)
        if against == face:
            raise UsageError(f"f{face} is one face", "name two")
        if reply == "skip":
            self._db.run("INSERT OR IGNORE INTO skipped VALUES (?, ?)", (against, face))
            return HistoryEntry(id=0, time=self._time(), action="answer", text="skipped")
        with self._action() as act:
            match reply:
                case "same":
                    self._same(act.changes, left, right)
                case "different":
                    self._different(act.changes, left, right)
                case "not a face":
                    act.changes.face(face, _NO_FACE)
            said = f"f{face} is no face" if reply == "not a face" else f"f{against} and f{face}: {reply}"
            act.said("answer", said, *{one for one in (self._face(against).owner, self._owner(face)) if one})
        return act.entry

    def take_over(self, regions: Sequence[Region]) -> Imported:
        """Confirm faces that were named elsewhere: the one whose box a region covers, or a new one by hand.

        A face that is confirmed here as somebody else with a name stays so.
        """
        confirmed = by_hand = kept = 0
        with self._action() as act:
            for region in regions:
                name, face = clean_name(region.name), self._at(region)
                if face is not None and self._is_anothers(face, name):
                    kept += 1
                    continue
                person = self._called(act.changes, name, face)
                by_hand += face is None
                confirmed += 1
                made = face or _Face(act.changes.make_face(region.photo, region.box), FaceCell(None, None, 0, 0))
                self._confirm_one(act.changes, made, person)
            act.said("import", f"{_faces(confirmed)} named elsewhere")
        return Imported(act.entry, confirmed, by_hand, kept)

    # History --------------------------------------------------------------------------------------------------------

    def history(self, limit: int = 1000) -> list[HistoryEntry]:
        """What was done, the newest first."""
        sql = "SELECT id, time, action, text, people, undone FROM history ORDER BY id DESC LIMIT ?"
        return [_entry(*row) for row in self._db.rows(sql, (limit,))]

    def undo(self, number: int | None = None, *, allowed: Callable[[str], bool] | None = None) -> HistoryEntry:
        """Take an action back: the newest that was not, or the one of that number.

        Args:
            number: of the action.
            allowed: whether a name may come back; all may where None.

        Raises:
            UsageError: there is none, or something later was built on it.
            ConsentError: a name would come back that may be given no more.
        """
        newest = "SELECT id FROM history WHERE NOT undone ORDER BY id DESC LIMIT 1"
        row = (number,) if number is not None else self._db.row(newest)
        found = row and self._db.row("SELECT changes FROM history WHERE id = ? AND NOT undone", row)
        if not row or not found:
            raise UsageError("there is nothing to undo", "photovault people history")
        with self._db.together():
            self._check_last(row[0], found[0])
            if allowed is not None and not all(map(allowed, changes.names_before(found[0]))):
                raise ConsentError(
                    "a name would come back of which no release is on record", "photovault people release add"
                )
            changes.undo(self._db, found[0])
            self._db.run("UPDATE history SET undone = 1 WHERE id = ?", row)
        sql = "SELECT id, time, action, text, people, undone FROM history WHERE id = ?"
        return _entry(*self._db.rows(sql, row)[0])

    def _check_last(self, number: int, data: bytes) -> None:
        wrong = changes.conflicts(self._db, data)
        if not wrong:
            return
        after = self._db.rows("SELECT id, changes FROM history WHERE id > ? AND NOT undone ORDER BY id DESC", (number,))
        first = " ".join(map(str, changes.later(after, wrong)[:3]))
        do = f"undo these first, in this order: {first}" if first else "photovault people history"
        raise UsageError(f"something later was built on {number}", do)

    @contextmanager
    def _action(self) -> Iterator[_Action]:
        """One action: all of it is done, or nothing; and written into the history if anything changed."""
        with self._db.together():
            act = _Action(Changes(self._db), self._time())
            yield act
            if act.changes:
                act.entry = self._written(act.entry, act.changes.dump())

    def _written(self, entry: HistoryEntry, data: bytes) -> HistoryEntry:
        sql = "INSERT INTO history (time, action, text, people, changes) VALUES (?, ?, ?, ?, ?)"
        people = " ".join(map(str, entry.people))
        number = self._db.insert(sql, (entry.time, entry.action, entry.text, people, data))
        return _entry(number, entry.time, entry.action, entry.text, people, 0)

    def _time(self) -> str:
        return self._now().astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")

    # Looking up -----------------------------------------------------------------------------------------------------

    def _face(self, face: int) -> _Face:
        row = self._db.row("SELECT grp, person, sure, no_face FROM faces WHERE id = ?", (face,))
        if row is None or row[3]:
            raise UsageError(f"there is no face f{face}", "photovault people show ID")
        return _Face(face, FaceCell(*row))

    def _owner(self, face: int) -> int | None:
        row = self._db.row("SELECT coalesce(person, grp) FROM faces WHERE id = ? AND NOT no_face", (face,))
        return row[0] if row else None

    def _members(self, person: int) -> list[_Face]:
        """The faces of a group, as they are taken for now."""
        sql = (
            "SELECT id, grp, person, sure, no_face FROM faces WHERE NOT no_face "
            "AND (person = ?1 OR person IS NULL AND grp = ?1) ORDER BY id"
        )
        return [_Face(row[0], FaceCell(*row[1:])) for row in self._db.rows(sql, (person,))]

    def _name_of(self, person: int) -> str:
        row = self._db.row("SELECT name FROM people WHERE id = ?", (person,))
        return str(row[0]) if row else ""

    def _is_hidden(self, person: int) -> bool:
        row = self._db.row("SELECT hidden FROM people WHERE id = ?", (person,))
        return bool(row and row[0])

    def _is_anchored(self, person: int | None) -> bool:
        """Whether it is a person about whom somebody decided something, and no mere group."""
        if person is None:
            return False
        sql = "SELECT 1 FROM people WHERE id = ?1 UNION SELECT 1 FROM faces WHERE person = ?1 LIMIT 1"
        return self._db.row(sql, (person,)) is not None

    def _who_stays(self, one: int, other: int, keep: str) -> int:
        first, second = self._name_of(one), self._name_of(other)
        if not (first and second):
            return other if second else one
        for person, name in ((one, first), (other, second)):
            if keep and (person_id(keep) == person or folded(keep) == folded(name)):
                return person
        raise UsageError(
            f"p{one} and p{other} both have a name", f"say which one stays: --keep p{one} or --keep p{other}"
        )

    # Steps ----------------------------------------------------------------------------------------------------------

    def _confirm(self, change: Changes, person: int) -> int:
        """Confirm the faces that are in a group now."""
        members = self._members(person)
        for face in members:
            self._set(change, face, person, max(face.cell.sure, WITH_GROUP))
        return len(members)

    def _set(self, change: Changes, face: _Face, person: int, sure: int) -> None:
        change.face(face.id, FaceCell(person, person, sure, 0))
        change.deny(face.id, person, denied=False)

    def _confirm_one(self, change: Changes, face: _Face, person: int) -> None:
        self._set(change, face, person, BY_ITSELF)

    def _make_one(self, change: Changes, stays: int, goes: int) -> int:
        members = self._members(stays) + self._members(goes)
        ids = {face.id for face in members}
        name, hidden = self._name_of(stays), self._is_hidden(stays) and self._is_hidden(goes)
        change.person(goes, "", hidden=False)
        change.person(stays, name, hidden=hidden)
        for face in members:
            self._set(change, face, stays, max(face.cell.sure, WITH_GROUP))
            self._unlink(change, face.id, ids, same=False)
        for (denied,) in self._db.rows("SELECT face FROM denials WHERE person = ?", (goes,)):
            change.deny(denied, goes, denied=False)
            if denied not in ids:
                change.deny(denied, stays)
        return len(members)

    def _unlink(self, change: Changes, face: int, others: set[int], *, same: bool) -> None:
        """Take back what was said of a face and others."""
        sql = "SELECT one, other FROM links WHERE (one = ?1 OR other = ?1) AND same = ?2"
        for one, other in self._db.rows(sql, (face, int(same))):
            if one in others or other in others:
                change.link(one, other, None)

    def _split_off(self, change: Changes, person: int, faces: Sequence[_Face]) -> int:
        new = self._store.take_id()
        for face in faces:
            change.face(face.id, FaceCell(new, None, 0, 0))
            change.deny(face.id, person)
        return new

    def _check_parts(self, person: int, members: Collection[int], taken: Counter[int]) -> None:
        strange = [f"f{face}" for face in taken if face not in members]
        if strange:
            raise UsageError(f"not in p{person}: {' '.join(strange[:10])}", f"photovault people show p{person}")
        if not taken or max(taken.values()) > 1:
            raise UsageError("say which faces, each once", f"photovault people show p{person}")
        if len(taken) == len(members):
            raise UsageError(f"these are all the faces of p{person}", "leave at least one, or give it another name")

    def _same(self, change: Changes, left: _Face, right: _Face) -> None:
        one, other = left.cell.person, right.cell.person
        if one is not None and other is not None and one != other:
            self._check_nameless(one, other)
            stays = self._who_stays(one, other, "")
            self._make_one(change, stays, other if stays == one else one)
        elif one is not None or (other is None and self._is_anchored(left.cell.group)):
            self._join(change, left, right)
        elif other is not None or self._is_anchored(right.cell.group):
            self._join(change, right, left)
        else:
            self._pool(change, left, right)
        change.link(left.id, right.id, same=True)

    def _check_nameless(self, one: int, other: int) -> None:
        if self._name_of(one) and self._name_of(other):
            raise UsageError(f"p{one} and p{other} both have a name", f"photovault people merge p{one} p{other}")

    def _join(self, change: Changes, known: _Face, doubted: _Face) -> None:
        """A face is a person who is known; its group comes along, unconfirmed, if nobody decided anything about it."""
        person = known.owner
        if person is None:
            return
        if doubted.cell.group not in {None, person} and not self._is_anchored(doubted.cell.group):
            self._move(change, self._members(doubted.cell.group or 0), person)
        self._confirm_one(change, doubted, person)

    def _pool(self, change: Changes, left: _Face, right: _Face) -> None:
        """Two groups about which nothing was decided become one; the grouping may see it otherwise, but for these two faces."""
        group = left.cell.group or right.cell.group or self._store.take_id()
        rest = self._members(right.cell.group) if right.cell.group else []
        self._move(change, rest, group)
        for face in (left, right):
            change.face(face.id, face.cell._replace(group=group))

    def _move(self, change: Changes, faces: Sequence[_Face], group: int) -> None:
        """Put faces into a group, but for those of which somebody said that they are not of it."""
        apart = {face for (face,) in self._db.rows(_KEPT_APART, (group,))}
        for face in faces:
            if face.id not in apart:
                change.face(face.id, face.cell._replace(group=group))

    def _different(self, change: Changes, left: _Face, right: _Face) -> None:
        change.link(left.id, right.id, same=False)
        owner = left.owner
        if owner is None:
            return
        if right.owner == owner:
            change.face(right.id, FaceCell(self._store.take_id(), None, 0, 0))
        if self._is_anchored(owner):
            change.deny(right.id, owner)

    # Regions --------------------------------------------------------------------------------------------------------

    def _at(self, region: Region) -> _Face | None:
        sql = "SELECT id, x, y, w, h, grp, person, sure, no_face FROM faces WHERE photo = ? AND NOT no_face"
        rows = self._db.rows(sql, (region.photo,))
        best = max(rows, key=lambda row: (Box(*row[1:5]).overlap(region.box), -row[0]), default=None)
        if best is None or Box(*best[1:5]).overlap(region.box) < SAME_BOX:
            return None
        return _Face(best[0], FaceCell(*best[5:]))

    def _called(self, change: Changes, name: str, face: _Face | None) -> int:
        """The person of that name; one is made if there is none: the face's group, if that has no name."""
        known = listing.called(self._db, name)
        if known is not None:
            return known
        group = face.owner if face is not None else None
        person = self._store.take_id() if group is None or self._name_of(group) else group
        change.person(person, name, hidden=self._is_hidden(person))
        return person

    def _is_anothers(self, face: _Face, name: str) -> bool:
        """Whether a face is confirmed to be somebody with another name."""
        confirmed = self._name_of(face.cell.person) if face.cell.person is not None else ""
        return bool(confirmed) and folded(confirmed) != folded(name)


class _Action:
    """An action under way."""

    def __init__(self, change: Changes, time: str) -> None:
        self.changes = change
        self.entry = HistoryEntry(id=0, time=time, action="", text="")

    def said(self, action: str, text: str, *people: int) -> None:
        self.entry = HistoryEntry(id=0, time=self.entry.time, action=action, text=text, people=people)


def _entry(number: int, time: str, action: str, text: str, people: str, undone: int) -> HistoryEntry:
    return HistoryEntry(
        id=number, time=time, action=action, text=text, people=tuple(map(int, people.split())), undone=bool(undone)
    )


def _faces(count: int) -> str:
    return "1 face" if count == 1 else f"{count} faces"
