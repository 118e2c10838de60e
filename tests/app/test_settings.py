"""What a call amounts to: command line before environment before file before default."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from photovault.app.settings import Settings, Setup, Surroundings, local_folder
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


def test_no_vault_says_where_to_name_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        _ = setup({"PHOTOVAULT_CONFIG": config(tmp_path, "")}).vault_url  # not that of whoever runs the tests
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
    assert local_folder(url) == Path(folder)


@pytest.mark.parametrize("url", ["s3://bucket/x", "sftp://host/x", "rclone:remote:x"])
def test_other_addresses_name_no_folder(url: str) -> None:
    assert local_folder(url) is None


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


def test_what_the_network_section_says_reaches_the_storages(tmp_path: Path) -> None:
    text = '[network]\ntimeout = "2m"\nretries = 1\nupload_limit = "1M"\ndownload_limit = "2K"\nobject_lock_days = 30\n'
    access = setup(config=config(tmp_path, text)).access
    assert (access.timeout, access.retries, access.object_lock_days) == (120, 1, 30)
    assert (access.upload_limit, access.download_limit) == (1_000_000, 2_000)
    assert 0 <= access.random() <= 1


@pytest.mark.parametrize(
    "line", ['timeout = "0s"', 'timeout = "2h"', "retries = -1", "retries = 1000", "object_lock_days = -1"]
)
def test_a_network_without_sense_is_refused(tmp_path: Path, line: str) -> None:
    with pytest.raises(ConfigError, match=r"network\."):
        _ = setup(config=config(tmp_path, f"[network]\n{line}\n")).access


def test_a_folder_needs_no_configuration_that_can_be_read(tmp_path: Path) -> None:
    broken = config(tmp_path, "not TOML at all")
    made = setup(vault=str(tmp_path / "vault"), config=broken)
    assert made.storage.address == str(tmp_path / "vault")
    with pytest.raises(ConfigError):
        made.storage_at("s3://bucket")


def test_secrets_of_storages_are_asked_of_the_keyring_unless_it_is_ruled_out(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("keyring.get_password", lambda service, user: f"{service} {user}")
    assert setup({"PHOTOVAULT_CONFIG": config(tmp_path, "")}).access.secret("s3://b") == "photovault s3://b"
    assert (
        setup({"PHOTOVAULT_CONFIG": config(tmp_path, ""), "PHOTOVAULT_NO_KEYRING": "1"}).access.secret("s3://b") is None
    )
