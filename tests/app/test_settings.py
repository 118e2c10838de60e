"""What a call amounts to: command line before environment before file before default."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from photovault.app.settings import Settings, Setup, Surroundings, vault_folder
from photovault.errors import ConfigError, UsageError


def setup(environ: dict[str, str] | None = None, **settings: object) -> Setup:
    return Setup(Settings(**settings), Surroundings(environ=environ or {}))


def config(tmp_path: Path, text: str) -> str:
    path = tmp_path / "c.toml"
    path.write_text(text)
    return str(path)


def test_the_command_line_wins_over_environment_and_file(tmp_path: Path) -> None:
    named = config(tmp_path, "[vault]\nurl = '/file'\n")
    environ = {"PHOTOVAULT_CONFIG": named}
    assert setup(environ).vault_url == "/file"
    assert setup(environ | {"PHOTOVAULT_VAULT": "/environment"}).vault_url == "/environment"
    assert setup(environ | {"PHOTOVAULT_VAULT": "/environment"}, vault="/line").vault_url == "/line"


def test_the_configuration_named_on_the_command_line_wins(tmp_path: Path) -> None:
    named = config(tmp_path, "[vault]\nurl = '/a'\n")
    assert setup({"PHOTOVAULT_CONFIG": "/nowhere"}, config=named).vault_url == "/a"


def test_a_missing_usual_configuration_is_no_error_a_named_one_is(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert setup().config.sources == ()
    for made in (setup(config=str(tmp_path / "x")), setup({"PHOTOVAULT_CONFIG": "/x"}), setup(profile="work")):
        with pytest.raises(ConfigError, match="cannot read"):
            _ = made.config


def test_a_profile_is_a_file_of_the_configuration_folder(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert setup(profile="work").config_path == tmp_path / "photovault" / "work.toml"
    assert setup().config_path == tmp_path / "photovault" / "config.toml"
    for name in ("../x", "a/b", "a b"):
        with pytest.raises(UsageError, match="profile"):
            _ = setup(profile=name).config_path


def test_no_vault_says_where_to_name_one() -> None:
    with pytest.raises(UsageError) as caught:
        _ = setup().vault_url
    assert "--vault" in caught.value.hint
    assert "PHOTOVAULT_VAULT" in caught.value.hint


@pytest.mark.parametrize(
    ("url", "folder"),
    [
        ("/a/b", "/a/b"),
        ("file:///a/b%20c", "/a/b c"),
        ("file://localhost/a", "/a"),
        ("~/v", os.path.expanduser("~/v")),
        ("relative", os.path.abspath("relative")),
        ("C:odd", os.path.abspath("C:odd")),
    ],
)
def test_addresses_of_folders(url: str, folder: str) -> None:
    assert vault_folder(url) == Path(folder)


@pytest.mark.parametrize("url", ["s3://bucket/x", "sftp://host/x", "rclone:remote:x", "file://elsewhere/a"])
def test_other_addresses_are_refused_by_name(url: str) -> None:
    with pytest.raises(UsageError) as caught:
        vault_folder(url)
    assert "file:///PATH" in caught.value.hint


def test_passwords_come_from_file_then_command_then_descriptor_then_environment(tmp_path: Path) -> None:
    file, other = tmp_path / "pw", tmp_path / "other"
    file.write_text("from file\n")
    other.write_text("from environment's file\n")
    environ = {"PHOTOVAULT_PASSWORD": "plain"}
    assert setup().given_password() is None
    assert setup(environ).given_password() == "plain"
    assert setup(environ | {"PHOTOVAULT_PASSWORD_COMMAND": "printf said"}).given_password() == "said"
    environ |= {"PHOTOVAULT_PASSWORD_FILE": str(other)}
    assert setup(environ).given_password() == "from environment's file"
    assert setup(environ, password_command="printf 'by command'").given_password() == "by command"
    assert setup(environ, password_file=str(file), password_command="false").given_password() == "from file"


def test_a_descriptor_is_read_once(tmp_path: Path) -> None:
    read_end, write_end = os.pipe()
    os.write(write_end, b"once\n")
    os.close(write_end)
    made = setup(password_fd=read_end)
    assert [made.given_password(), made.given_password()] == ["once", "once"]
    os.close(read_end)


def test_folders_named_by_the_environment_are_absolute(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    made = setup({"PHOTOVAULT_STATE_DIR": "s", "PHOTOVAULT_CACHE_DIR": "~/c"})
    assert made.state_dir == tmp_path / "s"
    assert made.cache_dir == Path("~/c").expanduser()


def test_the_keyring_can_be_ruled_out() -> None:
    assert setup().may_use_keyring
    assert not setup({"PHOTOVAULT_NO_KEYRING": "1"}).may_use_keyring
