"""Which folders a backup takes, under which names, and what is left out of them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from photovault.app.settings import Settings, Setup, Surroundings
from photovault.app.sources import BackupRequest, sources
from photovault.errors import ConfigError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from photovault.backup import SourceSpec


def specs(tmp_path: Path, *paths: object, config: str = "", **request: object) -> list[SourceSpec]:
    (tmp_path / "c.toml").write_text(config)
    environ = {"PHOTOVAULT_STATE_DIR": str(tmp_path / "state"), "PHOTOVAULT_CACHE_DIR": str(tmp_path / "cache")}
    settings = Settings(vault=str(tmp_path / "vault"), config=str(tmp_path / "c.toml"))
    return sources(
        Setup(settings, Surroundings(environ=environ)), BackupRequest(paths=tuple(map(str, paths)), **request)
    )


def folder(path: Path) -> Path:
    path.mkdir(parents=True)
    return path


def test_labels_are_the_names_of_the_folders_and_unique(tmp_path: Path) -> None:
    paths = [folder(tmp_path / name / "Pictures") for name in "abc"]
    assert [spec.label for spec in specs(tmp_path, *paths)] == ["Pictures", "Pictures (2)", "Pictures (3)"]


def test_labels_of_the_configuration(tmp_path: Path) -> None:
    one, other = folder(tmp_path / "one"), folder(tmp_path / "other")
    config = f"[[sources]]\npath = '{one}'\nlabel = 'a/b'\n[[sources]]\npath = '{other}'\nlabel = 'a_b'\n"
    assert [spec.label for spec in specs(tmp_path, config=config)] == ["a_b", "a_b (2)"]


def test_folders_named_replace_those_configured(tmp_path: Path) -> None:
    one, other = folder(tmp_path / "one"), folder(tmp_path / "other")
    config = f"[[sources]]\npath = '{one}'\n"
    assert [spec.path for spec in specs(tmp_path, other, config=config)] == [str(other)]
    assert [spec.path for spec in specs(tmp_path, config=config)] == [str(one)]


def test_nothing_named_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        specs(tmp_path)
    assert "[[sources]]" in caught.value.hint


def test_a_named_folder_must_be_there_a_configured_one_need_not(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for name in ("nowhere", "file"):
        with pytest.raises(UsageError, match="is not a folder"):
            specs(tmp_path, tmp_path / name)
    config = f"[[sources]]\npath = '{tmp_path}/nowhere'\n[[sources]]\npath = '{tmp_path}/file'\n"
    assert len(specs(tmp_path, config=config)) == 2


def test_a_folder_inside_another_is_refused_under_any_name(tmp_path: Path) -> None:
    inner = folder(tmp_path / "a" / "b")
    (tmp_path / "link").symlink_to(inner)
    for pair in ((inner, tmp_path / "a"), (tmp_path / "a", tmp_path / "link"), (inner, inner)):
        with pytest.raises(UsageError, match="is inside"):
            specs(tmp_path, *pair)
    assert len(specs(tmp_path, inner, folder(tmp_path / "a" / "bb"))) == 2


def test_relative_paths_links_and_slashes_name_the_same_source(tmp_path: Path, monkeypatch) -> None:
    real = folder(tmp_path / "Pictures")
    (tmp_path / "link").symlink_to(real)
    monkeypatch.chdir(tmp_path)
    for path in ("Pictures", "./Pictures/", "link", "../" + tmp_path.name + "/Pictures"):
        assert [(spec.path, spec.label) for spec in specs(tmp_path, path)] == [(str(real), "Pictures")]


def test_the_vault_and_own_folders_are_no_sources(tmp_path: Path) -> None:
    for name in ("vault", "state", "cache"):
        folder(tmp_path / name)
        with pytest.raises(UsageError, match="photovault's own"):
            specs(tmp_path, tmp_path / name)
    home = specs(tmp_path, tmp_path)[0]
    st = os.stat(tmp_path / "vault")
    assert (st.st_dev, st.st_ino) in home.rules.avoid


def test_patterns_come_from_four_places(tmp_path: Path) -> None:
    root = folder(tmp_path / "P")
    (root / ".photovaultignore").write_text("ignored/\n# a comment\n")
    config = f"[backup]\nexclude = ['general/']\n[[sources]]\npath = '{root}'\nexclude = ['own/']\n"
    rules = specs(tmp_path, config=config, exclude=("line/",))[0].rules.exclude
    for name in ("general", "own", "line", "ignored"):
        assert rules.excludes(name, is_folder=True), name
    assert not rules.excludes("other", is_folder=True)


def test_a_later_pattern_can_take_a_file_back(tmp_path: Path) -> None:
    root = folder(tmp_path / "P")
    (root / ".photovaultignore").write_text("!keep.jpg\n")
    rules = specs(tmp_path, root, exclude=("*.jpg",))[0].rules.exclude
    assert rules.excludes("a.jpg", is_folder=False)
    assert not rules.excludes("keep.jpg", is_folder=False)


def test_bad_patterns_and_ignore_files_stop_the_run(tmp_path: Path) -> None:
    root = folder(tmp_path / "P")
    (root / ".photovaultignore").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="photovaultignore"):
        specs(tmp_path, root)
    (root / ".photovaultignore").unlink()
    (root / ".photovaultignore").mkdir()
    with pytest.raises(ConfigError, match="photovaultignore"):
        specs(tmp_path, root)


def test_a_source_that_cannot_be_read_at_all_is_left_to_the_plan(tmp_path: Path, monkeypatch) -> None:
    root = folder(tmp_path / "P")
    (root / ".photovaultignore").mkdir()
    monkeypatch.setattr(os, "access", lambda path, _mode: path != str(root))
    assert specs(tmp_path, root)[0].path == str(root)


@pytest.mark.parametrize(
    ("line", "file", "everything"), [(False, "false", False), (True, "false", True), (False, "true", True)]
)
def test_all_files_by_option_or_configuration(tmp_path: Path, line: bool, file: str, everything: bool) -> None:
    root = folder(tmp_path / "P")
    config = f"[backup]\nall_files = {file}\none_file_system = {file}\n"
    rules = specs(tmp_path, root, config=config, all_files=line, one_file_system=line)[0].rules
    assert (rules.all_files, rules.one_file_system) == (everything, everything)
