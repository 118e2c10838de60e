"""People: one method a command; what they may do, with which key, and in which order.

Consent comes first: without it nothing of ``people`` but the consent itself is imported.  Then this process leaves every
network, for ever.  Only then is the face key read, and the store opened.  So no process has both, and whoever may have a
network asks a child process (``app.people_process``).

Faces are found in child processes that hold no key (``people.host``), in photos that other ones opened (``decoder``).
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

from photovault.app.consent import consent, erase_if_lapsed, face_key, may_name, register
from photovault.app.people_scan import ALONE, Over, Scan, chosen_curve, engine_order, refuse_sources
from photovault.app.people_status import About
from photovault.errors import (
    ConsentError,
    MissingExtraError,
    PhotovaultError,
    RefusedError,
    UnsafeError,
    UsageError,
    WrongKeyError,
)
from photovault.people.consent.notice import XMP_NOTICE, XMP_WORDS
from photovault.people.shown import (
    ANSWERS,
    AnswerWord,
    FaceShown,
    HistoryEntry,
    PeopleStatus,
    Person,
    Question,
    ScanReport,
    Side,
    XmpReport,
    face_id,
    person_id,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from photovault.app.runs import App
    from photovault.people.consent.register import Release
    from photovault.people.decisions import Decisions
    from photovault.people.store.store import Store
    from photovault.people.values import Curve
    from photovault.progress import Progress

__all__ = [
    "ANSWERS",
    "XMP_NOTICE",
    "XMP_WORDS",
    "AnswerWord",
    "FaceShown",
    "HistoryEntry",
    "People",
    "PeopleStatus",
    "Person",
    "Question",
    "ScanReport",
    "Side",
    "Withdrawn",
    "XmpReport",
    "face_id",
    "open_people",
    "person_id",
    "withdraw_release",
]

_NAMES_MAX: Final = 1 << 28
_POLITE: Final = "people.background"
_WANTED: Final = "people.wanted"
_PATIENCE: Final = 20.0  # seconds for a scan in the background to give way
_WAIT: Final = 24 * 3600.0  # seconds, for `--wait`
_MOMENT: Final = 5.0  # seconds; a key is made in less
_NO_KEY: Final = (
    "it is in the keyring of your desktop session, or was face.key beside the store: bring it back; if it is lost,"
    " `photovault people disable` erases the store, and `people enable` and `people scan` begin anew"
)


def open_people(app: App) -> People:
    """The commands about people, in a process that has no network from here on.  To be called before any thread starts."""
    people = People(app)
    erase_if_lapsed(app)
    return people


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawn:
    """A release that was taken back; ``entry``: who had the name, if anybody; ``problem``: why somebody still has it."""

    release: Release
    entry: HistoryEntry | None = None
    problem: str = ""


def withdraw_release(app: App, person: str) -> Withdrawn:
    """Take a release back, then the name from whoever has it.  The first is recorded even if the second fails.

    Raises:
        UsageError: there is no release of that name.
        RefusedError: it cannot be recorded.
    """
    people = open_people(app)
    release = register(app).withdraw(person)
    try:
        return Withdrawn(release=release, entry=people.forget_name(release.person))
    except PhotovaultError as error:
        return Withdrawn(release=release, problem=error.what)


class People:
    """The commands about people."""

    def __init__(self, app: App, *, alone: Callable[..., tuple[str, ...]] | None = None) -> None:
        """Leave the network.

        Args:
            app: settings and the world.
            alone: takes the network away, as ``Surroundings.leave_network``, which it is if not given.
        """
        self._app = app
        self._leave = alone or app.world.leave_network
        self._alone = self._leave(unix=app.may_use_keyring)
        self._consent = consent(app)
        self._folder = app.people_folder
        self._from_keyring: bytes | None = None

    # Looking.

    def status(self) -> PeopleStatus:
        """How it stands; needs neither consent nor anything installed."""
        standing = self._consent.standing()
        missing, hint = self._missing(looking=standing.holds)
        about = About(self._folder, self._app.config_if_there, standing, missing, hint)
        if not standing.holds or not self._has_store():
            return about.status()
        try:
            with self._store(write=False) as store:
                return about.status(store, face_key(self._app).where())
        except PhotovaultError as error:
            return About(self._folder, self._app.config_if_there, standing, error.what, error.hint).status()

    def _missing(self, *, looking: bool) -> tuple[str, str]:
        """What is not there that a scan needs, and what mends it; before consent, no model is looked for."""
        try:
            self._libraries()
            if looking:
                self._models()
        except PhotovaultError as error:
            return error.what, error.hint
        return "", ""

    def _libraries(self) -> None:
        """Raises MissingExtraError if a library that every engine needs is not there; imports none."""
        own = () if self._app.config_if_there.people.engine == "face_recognition" else ("cv2", "onnxruntime")
        for library in ("numpy", "apsw", *own):
            if find_spec(library) is None:
                raise MissingExtraError(f"{library} is not installed", "pip install 'photovault[faces]'")

    def _models(self) -> None:
        """Raises MissingExtraError or UsageError if a model that a scan needs is not there."""
        from photovault.people.engines.models import locate

        locate(engine_order(self._app.config_if_there))

    def people(self, *, everybody: bool = False, hidden: bool = False, faces: bool = False) -> list[Person]:
        """Who is there, named ones first, then by the number of their faces; nobody before the first scan."""
        self._consent.require()
        if not self._has_store():
            return []
        with self._store(write=False) as store:
            return store.people(all=everybody, hidden=hidden, faces=faces)

    def ungrouped(self) -> list[FaceShown]:
        """Faces that are in no group: too poor to tell whose they are."""
        self._consent.require()
        if not self._has_store():
            return []
        with self._store(write=False) as store:
            return store.ungrouped()

    def show(self, ref: str) -> Person:
        """A person, as ``p7`` or by name, with all faces.  UsageError if there is none."""
        with self._store(write=False) as store:
            return store.person(store.find(ref))

    def history(self) -> list[HistoryEntry]:
        """What was decided, the newest first."""
        self._consent.require()
        if not self._has_store():
            return []
        with self._store(write=False) as store:
            return self._decisions(store).history()

    def digests(self, ref: str) -> list[bytes]:
        """SHA-256 of the photos with a person.  UsageError if there is none."""
        with self._store(write=False) as store:
            return sorted(store.digests_of(store.find(ref)))

    def canaries(self) -> list[bytes]:
        """The planted vectors; none before the first scan."""
        if not (self._consent.standing().holds and self._has_store()):
            return []
        with self._store(write=False) as store:
            return store.canaries()

    def names_of_photos(self) -> dict[str, list[str]]:
        """Names by SHA-256 of the photo, in hex: what a backup takes along where that was agreed to.

        Raises:
            ConsentError: it was not.
        """
        if not self._consent.agreed("names-backup"):
            raise ConsentError(
                "nobody agreed that names are backed up", "to agree: photovault people allow names-backup"
            )
        if not self._has_store():
            return {}
        with self._store(write=False) as store:
            return store.names_of_photos()

    # Scanning.

    def scan(
        self, progress: Progress, *, again: bool = False, enough: Callable[[], bool] = lambda: False
    ) -> ScanReport:
        """Look for faces in what is new or changed, until it is ``enough``, and group them.

        Raises:
            ConsentError: nobody agreed, or not any more.
            MissingExtraError, UsageError: something is not installed, or a model is not what it should be.
            UnsafeError: a layer of protection is missing, or a face worker tried to get out.
            BusyError: another command writes.
        """
        report = self._scan(progress, enough, again=again, idle=True)
        if report is None:
            raise PhotovaultError("the scan did nothing")  # it does, if it may be idle
        return report

    def scan_if_needed(
        self, progress: Progress, enough: Callable[[], bool], *, tired: Callable[[], bool] = lambda: False
    ) -> ScanReport | None:
        """As ``scan``; None when nobody agreed to it, or nothing is new: then no face worker is started.

        When it is ``tired``, it looks at no more photos, and groups what it found.
        """
        if not self._consent.standing().holds:
            return None
        return self._scan(progress, enough, tired, again=False, idle=False)

    def _scan(
        self,
        progress: Progress,
        enough: Callable[[], bool],
        tired: Callable[[], bool] = lambda: False,
        *,
        again: bool,
        idle: bool,
    ) -> ScanReport | None:
        standing = self._consent.require()
        self._libraries()
        self._models()
        with self._store(write=True, polite=not idle) as store:
            over = Over(enough, self._app.world.clock, lambda: self._is_to_end(polite=not idle))
            run = Scan(self._app, standing, store, progress, over, tired)
            plan = run.plan(again=again)
            if not idle and run.is_idle(plan):
                return None
            if idle:
                run.forget_alarms()
            try:
                report = run.run(plan, alone=self._alone)
            finally:
                run.note()
            self._record(run)
        self._consent.require()  # what stopped it may have been that it was withdrawn
        return report

    def _is_to_end(self, *, polite: bool) -> bool:
        """Whether the consent is over, or somebody waits for a scan in the background."""
        return not self._consent.standing().holds or (polite and self.is_wanted())

    def is_wanted(self) -> bool:
        """Whether somebody waits for the store that a scan in the background has."""
        try:
            asked = (self._folder / _WANTED).stat().st_mtime
        except OSError:
            return False
        return self._app.world.now().timestamp() - asked < 2 * _PATIENCE  # an older one was left by who was killed

    def _record(self, run: Scan) -> None:
        """Write down that protection was given up, when that is news."""
        if run.overridden and run.overridden != run.overridden_before:
            self._consent.record("done without", {"layers": list(run.overridden)})

    # Deciding.

    def name(self, ref: str, name: str) -> HistoryEntry:
        """Name a person; an empty name takes the name away.

        Raises:
            ConsentError: an organisation has no release of that person.
            UsageError: nobody is called so, or somebody else is.
        """
        if name:
            may_name(self._app, name)
        with self._store(write=True) as store:
            return self._decisions(store).name(store.find(ref), name)

    def merge(self, a: str, b: str, *, keep: str = "") -> HistoryEntry:
        """Make two people one; where both are named, ``keep`` says which name stays."""
        with self._store(write=True) as store:
            return self._decisions(store).merge(store.find(a), store.find(b), keep=keep)

    def split(self, ref: str, *, faces: Sequence[int] = (), strict: bool = False) -> HistoryEntry:
        """Take faces out of a person, or group its faces again by a stricter rule."""
        with self._store(write=True) as store:
            person = store.find(ref)
            if strict:
                return self._decisions(store).split_strict(person, self._curve())
            return self._decisions(store).split(person, faces=faces)

    def hide(self, ref: str) -> HistoryEntry:
        """Do not list a person any more."""
        with self._store(write=True) as store:
            return self._decisions(store).hide(store.find(ref))

    def unhide(self, ref: str) -> HistoryEntry:
        """List a person again."""
        with self._store(write=True) as store:
            return self._decisions(store).unhide(store.find(ref))

    def undo(self, entry: int | None = None) -> HistoryEntry:
        """Take back the newest decision, or the one of that number."""
        with self._store(write=True) as store:
            return self._decisions(store).undo(entry, allowed=self._may_name)

    def forget_name(self, name: str) -> HistoryEntry | None:
        """Take a name away from whoever has it; None where nobody has.  It does not come back by ``undo`` without a release."""
        if not (self._consent.standing().holds and self._has_store()):
            return None
        with self._store(write=True) as store:
            person = store.called(name)
            return None if person is None else self._decisions(store).name(person, "")

    def questions(self, limit: int) -> list[Question]:
        """What would help most to know."""
        self._consent.require()
        if not self._has_store():
            return []
        from photovault.people import regroup

        with self._store(write=False) as store:
            return regroup.shown_questions(store, self._curve(), limit)

    def answer(self, question: str, answer: AnswerWord) -> HistoryEntry:
        """Keep an answer to a question, given by its id.

        Raises:
            UsageError: there is no such question.
        """
        one, _, other = question.partition("-")
        face, against = face_id(one), face_id(other)
        if face is None or against is None or answer not in ANSWERS:
            raise UsageError("there is no such question", "see `photovault people review`")
        with self._store(write=True) as store:
            return self._decisions(store).answer(against, face, answer)

    # Names in files.

    def export_xmp(self, folder: Path, *, agreed: str) -> XmpReport:
        """Write names and boxes into sidecar files below ``folder``; ``agreed``: the words that were typed.

        Raises:
            ConsentError: they are not the words.
            UsageError: the folder is backed up, and the names would be with it.
        """
        from photovault.people import xmp

        refuse_sources(self._app, folder)
        self._agree(agreed)
        with self._store(write=False) as store:
            return xmp.export(store, folder, self._consent.require().scope)

    def import_xmp(self, folder: Path, *, agreed: str) -> XmpReport:
        """Take names from sidecar files below ``folder`` for the faces that they fit."""
        from photovault.people import xmp

        self._agree(agreed)
        with self._store(write=True) as store:
            scope = self._consent.require().scope
            return xmp.import_(store, self._decisions(store), folder, scope, allowed=self._may_name)

    def import_names(self, file: Path) -> XmpReport:
        """Give groups the names that a backup kept of the photos they are in; all of it can be undone.

        Raises:
            DamageError: it is no such file.
            RefusedError: it cannot be read.
        """
        from photovault.people import tags
        from photovault.people.naming import is_name

        self._consent.require()
        names = tags.decode(_read(file))
        with self._store(write=True) as store:
            people = store.people(hidden=True)
            photos = {one.id: [digest.hex() for digest in store.digests_of(one.id)] for one in people}
            found = tags.match(names, photos)
            nameless = {one.id for one in people if not one.name}
            chosen = {
                number: name
                for number, name in found.names.items()
                if number in nameless and is_name(name) and store.called(name) is None and self._may_name(name)
            }
            decisions = self._decisions(store)
            for number, name in chosen.items():
                if store.called(name) is None:  # two of the file can differ in case alone
                    decisions.name(number, name)
            named = sum(one.count for one in people if one.id in chosen)
        return XmpReport(files=1, regions=len(found.names) + found.unmatched, named=named, unmatched=found.unmatched)

    def _may_name(self, name: str) -> bool:
        """Whether an organisation has a release of that person; a household needs none."""
        try:
            may_name(self._app, name)
        except ConsentError:
            return False
        return True

    def _agree(self, words: str) -> None:
        from photovault.people.consent import notice

        self._consent.agree("xmp", words=words, notice_sha=notice.OTHERS["xmp"].sha256())

    # The way to the store.

    def _has_store(self) -> bool:
        return (self._folder / "faces.db").exists()

    @contextmanager
    def looking(self) -> Iterator[Store | None]:
        """The store to read in, for whoever asks what no command does; None before the first scan."""
        self._consent.require()
        if not self._has_store():
            yield None
            return
        with self._store(write=False) as store:
            yield store

    @contextmanager
    def _store(self, *, write: bool, polite: bool = False) -> Iterator[Store]:
        """The store, after everything that comes before it; whoever has it for ``polite`` gives way to others."""
        self._consent.require()
        self._check_alone()
        from photovault.people.store.store import Store

        wait = _WAIT if self._app.settings.wait else 0.0
        key = self._key(write=write, wait=wait)
        if self._app.may_use_keyring and self._from_keyring is None:
            self._alone = (*self._alone, *self._leave(unix=False))
            self._from_keyring = key  # the way to the keyring is closed from here on
        with ExitStack() as stack:
            if write and not polite:
                wait = max(wait, stack.enter_context(self._asked_for()))
            store = stack.enter_context(Store.open(self._folder, key, write=write, wait=wait))
            self._consent.require()  # it may have been withdrawn while this waited
            if polite:
                stack.enter_context(_there(self._folder / _POLITE))
            yield store

    def _key(self, *, write: bool, wait: float) -> bytes:
        """The face key; a new one only where there is no store that an older one opens, and by one process at a time."""
        from photovault.people.keeping.lock import people_lock

        if self._from_keyring is not None:
            return self._from_keyring
        there = face_key(self._app)
        key = there.get()
        if key is not None:
            return key
        if self._has_store():
            raise WrongKeyError("the face store is here, but its key is not", _NO_KEY)
        if not write:
            raise UsageError("no photo has been looked at yet", "photovault people scan")
        with people_lock(self._folder, wait=max(wait, _MOMENT)):
            return there.create()

    @contextmanager
    def _asked_for(self) -> Iterator[float]:
        """Where a scan in the background has the store, ask for it; seconds to wait for that."""
        if not (self._folder / _POLITE).exists():
            yield 0.0
            return
        with _there(self._folder / _WANTED):
            yield _PATIENCE

    def _check_alone(self) -> None:
        lacks = sorted(set(ALONE) - set(self._alone) - set(self._app.config.people.unsafe_without))
        if lacks:
            raise UnsafeError(f"this process cannot be kept from the network: it lacks {', '.join(lacks)}", _UNSAFE)

    def _decisions(self, store: Store) -> Decisions:
        from photovault.people.decisions import Decisions

        return Decisions(store, self._app.world.now)

    def _curve(self) -> Curve:
        from photovault.people.engines.models import curve_of

        return chosen_curve(self._app.config, curve_of(engine_order(self._app.config)))


@contextmanager
def _there(sign: Path) -> Iterator[None]:
    """A file that says something as long as it is there."""
    with suppress(OSError):
        sign.touch(0o600)
    try:
        yield
    finally:
        with suppress(OSError):
            sign.unlink(missing_ok=True)


def _read(file: Path) -> bytes:
    try:
        with open(file, "rb") as opened:
            return opened.read(_NAMES_MAX)
    except OSError as error:
        raise RefusedError(f"cannot read {file}: {error.strerror}", "name the file that was restored") from None


_UNSAFE: Final = (
    "a kernel with namespaces, Landlock and seccomp is needed (Linux 5.13 or newer); to go without, name what is missing in"
    " unsafe_without of [people], which is written down in the log of consents"
)
