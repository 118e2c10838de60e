"""Any damage to any objects: a repair never makes it worse, and what it calls lost is what is lost."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.repair.damage import DAMAGES, World, claimed, make_world

if TYPE_CHECKING:
    from collections.abc import Iterator

KINDS = ("packs/", "index/", "snapshots/")
damages = st.lists(
    st.tuples(st.sampled_from(sorted(DAMAGES)), st.integers(0, 100), st.integers(0, 10**7)), min_size=1, max_size=6
)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    patch = pytest.MonkeyPatch()
    with patch.context() as p:
        p.setattr("photovault.decoder.host.Decoders", _no_decoders())
        yield make_world(tmp_path_factory.mktemp("sound"))


def _no_decoders() -> object:
    from tests.support.eyes import Record, fake

    return fake(Record())


def damaged(sound: World, todo: list[tuple[str, int, int]], *, cache: bool) -> World:
    world = sound.copied(Path(tempfile.mkdtemp()) / "world")
    if not cache:
        shutil.rmtree(world.folder / "device" / "cache")
    for kind, number, at in todo:
        names = world.names(*KINDS)
        if names:
            name = names[number % len(names)]
            if kind == "delete" or world.storage.objects[name]:
                DAMAGES[kind](world.storage, name, at)
    return world


def check_repair(sound: World, todo: list[tuple[str, int, int]], *, photos: bool, cache: bool) -> None:
    world = damaged(sound, todo, cache=cache)
    away = sound.photos.with_name("away")
    if not photos:  # snapshots name this path, so it is where a repair looks for them
        sound.photos.rename(away)
    try:
        promised, before = sound.files(), world.restorable()
        report = world.repair()
        after = world.restorable()
        assert before <= after, "a repair made it worse"
        assert promised - after == claimed(report, promised, world.shown())
        assert report.is_lost == bool(promised - after) or report.after.findings
        again = world.repair()
        assert world.restorable() >= after
        assert claimed(again, promised, world.shown()) == claimed(report, promised, world.shown())
    finally:
        shutil.rmtree(world.folder.parent)
        if not photos:
            away.rename(sound.photos)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(todo=damages, photos=st.booleans(), cache=st.booleans())
def test_no_damage_gets_worse_and_what_is_called_lost_is(
    sound: World, todo: list[tuple[str, int, int]], photos: bool, cache: bool
) -> None:
    check_repair(sound, todo, photos=photos, cache=cache)


@pytest.mark.slow
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(todo=damages, photos=st.booleans(), cache=st.booleans())
def test_no_damage_gets_worse_in_many_vaults(
    sound: World, todo: list[tuple[str, int, int]], photos: bool, cache: bool
) -> None:
    check_repair(sound, todo, photos=photos, cache=cache)
