"""A scan as the settings want it: which folders by which rules, which engine, and what is remembered of it.

The rules are those of a backup: a folder that was agreed to goes by the rules of the source that it is in, and a source
inside of it by its own.  The vault and photovault's own folders are never entered.
"""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from photovault.app.settings import local_folder
from photovault.app.sources import ignore_file, source_path
from photovault.errors import PhotovaultError, UsageError
from photovault.people.shown import ScanReport
from photovault.people.values import Curve, EngineOrder, ModelOrder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from photovault.app.runs import App
    from photovault.app.settings import Setup
    from photovault.config import Config
    from photovault.people.consent.standing import Standing
    from photovault.people.plan import Root, ScanPlan
    from photovault.people.scan import Scanned
    from photovault.people.store.store import Store
    from photovault.people.wall.host import FaceWorkers, Hello
    from photovault.progress import Progress

ALONE: Final = ("network", "privileges", "calls")
"""Layers without which a process does not read the face key."""

_LOOK: Final = 1.0  # seconds between two looks whether the consent still holds
_NOTE: Final = "scan"
_GROUPING_EVERY: Final = 20.0  # seconds of looking
_GROUPING_SHARE: Final = 19  # times as long is looked as was grouped


class Over:
    """Whether a scan is to end: it is enough, or the consent does not hold any more."""

    def __init__(self, enough: Callable[[], bool], clock: Callable[[], float], ended: Callable[[], bool]) -> None:
        """``ended``: whether the consent is over; asked every few seconds."""
        self._enough, self._clock, self._ended = enough, clock, ended
        self._looked = clock()
        self._over = False

    def __call__(self) -> bool:
        """Whether it is."""
        if not self._over:
            self._over = self._enough()
        if not self._over and self._clock() - self._looked >= _LOOK:
            self._looked = self._clock()
            self._over = self._ended()
        return self._over


class Scan:
    """One scan of the folders that were agreed to."""

    def __init__(
        self,
        app: App,
        standing: Standing,
        store: Store,
        progress: Progress,
        over: Callable[[], bool],
        tired: Callable[[], bool],
    ) -> None:
        """Scan into ``store``, until it is ``over``; once ``tired``, no further photo is looked at."""
        from photovault.people.engines.models import key_of

        self._app = app
        self._standing = standing
        self._store = store
        self._progress = progress
        self._over, self._tired = over, tired
        self._order = engine_order(app.config)
        self._engine = key_of(self._order)
        before = noted(store)
        self.overridden_before = tuple(before.get("overridden", ()))
        self.overridden = self.overridden_before
        self._protection: tuple[str, ...] = tuple(before.get("protection", ()))
        self._alarms: list[str] = list(before.get("alarms", ()))
        self._left: int | None = before.get("left")
        self._next_grouping = 0.0

    def plan(self, *, again: bool = False) -> ScanPlan:
        """What there is to do."""
        from photovault.people.plan import Old, plan_scan, walk

        def known(path: bytes) -> Any:  # noqa: ANN401 - Stamp | None
            found = self._store.stamp_of(path)
            return None if found is None else found[0]

        old = [Old(one.photo, one.path, one.stamp, one.faces) for one in self._store.photos_without(self._engine)]
        found = walk(roots(self._app, self._standing.scope))
        return plan_scan(found, known, self._store.paths(), old, again=again)

    def is_idle(self, plan: ScanPlan) -> bool:
        """Whether neither a photo nor a face waits for anything."""
        return plan.is_idle and self._left == 0 and not len(self._store.fresh())

    def run(self, plan: ScanPlan, *, alone: Sequence[str]) -> ScanReport:
        """Look, where there is something to look at, then group."""
        began = self._app.world.clock()
        self._left = len(plan.new) + len(plan.old)
        self.note()  # a run that is killed must not leave behind that nothing is left
        self._next_grouping = began + _GROUPING_EVERY
        done = self._forget(plan) if not (plan.new or plan.old) else self._look(plan, alone)
        self._left = done.left
        self._group(full=plan.again)
        return self._report(plan, done, self._app.world.clock() - began)

    def forget_alarms(self) -> None:
        """Somebody has seen them, and scans again."""
        self._alarms = []

    def _forget(self, plan: ScanPlan) -> Scanned:
        from photovault.people.scan import forget

        return forget(plan, self._store)

    def _look(self, plan: ScanPlan, alone: Sequence[str]) -> Scanned:
        """Start whoever finds faces, and have them look."""
        from photovault.people.wall.host import FaceWorkers

        with FaceWorkers(self._order, allow_without=frozenset(self._app.config.people.unsafe_without)) as finder:
            hello = finder.start()
            self._met(hello, set(ALONE) - set(alone))
            try:
                return self._looked(plan, finder)
            finally:
                self._alarms += finder.alarms

    def _met(self, hello: Hello, lacking: set[str]) -> None:
        from photovault.people.wall.host import wanted_layers

        if hello.key != self._engine:
            raise PhotovaultError("the face worker is not the engine that was asked for", "report this as a defect")
        self._protection = tuple(hello.protection)
        self.overridden = tuple(sorted(lacking | (wanted_layers(sys.platform) - set(hello.protection))))

    def _looked(self, plan: ScanPlan, finder: FaceWorkers) -> Scanned:
        from photovault.decoder import process as decoding
        from photovault.decoder.host import Decoders
        from photovault.people.scan import Helpers, run_scan
        from photovault.people.wall import host as finding
        from photovault.workers import Workers, usable_cores

        count = usable_cores()
        passing = (why for one in (decoding, finding) for why in (one.WORDS.closed, one.WORDS.unstarted))
        with Workers(count + 2) as workers, Decoders(count=count) as decoders:
            helpers = Helpers(
                workers=workers,
                decoders=decoders,
                finder=finder,
                count=count,
                edge=self._app.config.people.edge,
                passing=frozenset(passing),
            )
            return run_scan(plan, self._store, helpers, self, self._engine, self._between)

    def total(self, files: int, size: int) -> None:
        """Progress."""
        self._progress.total(files, size)

    def advance(self, files: int, size: int, path: str) -> None:
        """Progress; what is left is known, however the run ends."""
        self._left = max(0, (self._left or 0) - files)
        self._progress.advance(files, size, path)

    def _between(self) -> bool:
        """Between two photos: whether it is enough.

        Now and then what was found is grouped, so that people are there long before a large library has been looked at;
        that takes a twentieth of the time at most.
        """
        now = self._app.world.clock()
        if now >= self._next_grouping:
            self._group()
            done = self._app.world.clock()
            self._next_grouping = done + max(_GROUPING_EVERY, _GROUPING_SHARE * (done - now))
        return self._tired() or self._over()

    def _group(self, *, full: bool = False) -> None:
        from photovault.people.engines.models import curve_of
        from photovault.people.regroup import regroup

        if not self._over():
            regroup(self._store, chosen_curve(self._app.config, curve_of(self._order)), full=full)

    def _report(self, plan: ScanPlan, done: Scanned, seconds: float) -> ScanReport:
        counts = self._store.counts()
        return ScanReport(
            looked=done.looked,
            unchanged=plan.unchanged + done.known,
            gone=done.gone,
            failed=done.failed,
            left=done.left,
            faces=done.faces,
            total_faces=counts.faces,
            people=counts.people,
            embedded=done.embedded,
            seconds=seconds,
            protection=self._protection,
            overridden=self.overridden,
            alarms=tuple(self._alarms),
        )

    def note(self) -> None:
        """Keep for ``status`` how it went."""
        value = {
            "time": self._app.world.now().strftime("%Y-%m-%dT%H:%M:%SZ"),
            "left": self._left,
            "engine": self._engine,
            "protection": self._protection,
            "overridden": self.overridden,
            "alarms": self._alarms,
        }
        with suppress(PhotovaultError):
            self._store.remember(_NOTE, json.dumps(value))


def noted(store: Store) -> dict[str, Any]:
    """What ``Scan.note`` kept of the last scan."""
    try:
        return dict(json.loads(store.recall(_NOTE) or "{}"))
    except (ValueError, TypeError):
        return {}


def left_by(last: Mapping[str, Any], store: Store, config: Config) -> int | None:
    """Photos that are still to be looked at, as far as the last scan knew; where it had another engine, all those faces, too."""
    from photovault.people.engines.models import key_of

    left = last.get("left")
    with suppress(UsageError):
        engine = key_of(engine_order(config))
        return left if left is None or last.get("engine") == engine else left + store.unmeasured(engine)
    return left


# From the configuration ---------------------------------------------------------------------------------------------------


def engine_order(config: Config) -> EngineOrder:
    """Which engine is wanted.

    Raises:
        UsageError: ``onnx`` without a model, or a model for another engine.
    """
    section, model = config.people, config.people.model
    if section.engine == "onnx" and model is None:
        raise UsageError(
            'engine = "onnx" needs a model', "describe it under [people.model]; config.example.toml has all keys"
        )
    if section.engine != "onnx" or model is None:
        return EngineOrder(kind=section.engine)
    return EngineOrder(
        kind="onnx",
        model=ModelOrder(
            path=os.path.abspath(model.path),
            sha256=model.sha256,
            size=model.size,
            alignment=model.alignment,
            colours=model.colours,
            mean=model.mean,
            scale=model.scale,
            metric=model.metric,
            threshold=model.threshold,
        ),
    )


def chosen_curve(config: Config, curve: Curve) -> Curve:
    """The distances of the engine, or the one that was chosen in their place."""
    return Curve(((1, config.people.threshold),)) if config.people.threshold else curve


def refuse_sources(app: Setup, folder: Path) -> None:
    """Refuse a folder that is backed up, for files that must not be.

    Raises:
        UsageError: it is.
    """
    full = os.path.realpath(folder)
    for one in app.config_if_there.sources:
        if _is_in(full, source_path(one.path, must_exist=False)):
            raise UsageError(f"{folder} is backed up, and the names would be, too", "name a folder that is not")


def roots(app: Setup, scope: Sequence[str]) -> list[Root]:
    """The folders that were agreed to, with the rules by which a backup takes them."""
    return [one for folder in _outermost(scope) for one in _roots(app, folder)]


def _roots(app: Setup, folder: str) -> Iterator[Root]:
    """A folder by the rules of the source that it is in; sources inside of it by their own."""
    from photovault.people.plan import Root
    from photovault.photos.scan import Scanner, identities

    sources = {source_path(one.path, must_exist=False): one.exclude for one in app.config_if_there.sources}
    around = max((path for path in sources if _is_in(folder, path)), key=len, default=None)
    inside = _outermost([path for path in sources if path != folder and _is_in(path, folder)])
    top = folder if around is None else around
    rules = _rules(app, top, sources.get(top, ()), identities([*_own_folders(app), *inside]))
    yield Root(Scanner(os.fsencode(top), rules), b"" if top == folder else os.fsencode(os.path.relpath(folder, top)))
    for path in inside:
        yield Root(Scanner(os.fsencode(path), _rules(app, path, sources[path], identities(_own_folders(app)))))


def _rules(app: Setup, top: str, exclude: Sequence[str], avoid: Any) -> Any:  # noqa: ANN401 - of photos.scan
    from photovault.photos.rules import Rules
    from photovault.photos.scan import ScanRules

    backup = app.config_if_there.backup
    lines = (*backup.exclude, *exclude, *ignore_file(top))
    return ScanRules(one_file_system=backup.one_file_system, exclude=Rules(lines), avoid=avoid)


def _own_folders(app: Setup) -> list[str]:
    """Folders without photos of the user's: ours, and vaults; known without opening one, which may need a network."""
    folders = [str(app.state_dir), str(app.cache_dir)]
    urls = [one.url for one in app.config_if_there.destinations]
    with suppress(PhotovaultError):
        urls.append(app.vault_url)
    for url in urls:
        with suppress(PhotovaultError):
            folder = local_folder(url)
            folders += [] if folder is None else [str(folder)]
    return folders


def _outermost(folders: Sequence[str]) -> list[str]:
    """Each once, without those that lie in another one."""
    found: list[str] = []
    for folder in sorted(set(folders), key=len):
        if not any(_is_in(folder, one) for one in found):
            found.append(folder)
    return sorted(found)


def _is_in(path: str, folder: str) -> bool:
    return (path + os.sep).startswith(os.path.join(folder, ""))
