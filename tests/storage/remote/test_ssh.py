"""Who is at the other end: host keys, and the ways to be let in."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import asyncssh
import pytest

from photovault.errors import RefusedError, StorageError, UnavailableError, UsageError
from photovault.storage.addresses import parse_address
from photovault.storage.remote import ssh
from photovault.storage.remote.sftp import open_sftp
from tests.support.pretending import pretending
from tests.support.programs import needed
from tests.support.remote import access

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.sshd import Sshd


def use(url: str, **other: object) -> None:
    """Store and fetch something."""
    storage = open_sftp(parse_address(url), access(**other))
    storage.put("a/b", b"x")
    assert storage.get("a/b") == b"x"


def refused(url: str, **other: object) -> RefusedError:
    with pytest.raises(RefusedError) as caught:
        use(url, **other)
    return caught.value


def test_an_unknown_server_is_refused_until_the_line_that_the_error_names_is_added(sshd: Sshd) -> None:
    sshd.known_hosts.unlink()
    error = refused(sshd.url())
    assert "the server is not known" in error.what
    assert sshd.host_key.get_fingerprint() in error.what
    assert not (sshd.folder / "vault").exists()
    file, line = re.fullmatch(r".*add this line to (\S+): (.*)", error.hint).groups()
    assert not os.path.exists(file), "no key is ever added by itself"
    with open(file, "w") as known:
        known.write(line)
    use(sshd.url())


def test_a_changed_key_is_refused_and_said_to_be_changed(sshd: Sshd) -> None:
    use(sshd.url())
    sshd.kill()
    sshd.new_host_key()
    sshd.start()
    error = refused(sshd.url())
    assert "CHANGED" in error.what
    assert sshd.host_key.get_fingerprint() in error.what
    assert f"ssh-keygen -R '[127.0.0.1]:{sshd.port}'" in error.hint
    sshd.trust()
    use(sshd.url())


def test_a_revoked_key_is_refused(sshd: Sshd) -> None:
    line = sshd.known_hosts.read_text()
    sshd.known_hosts.write_text(f"{line}@revoked {line}")
    assert "revoked" in refused(sshd.url()).what


def test_nothing_in_the_configuration_turns_the_check_off(sshd: Sshd) -> None:
    for lines in ("StrictHostKeyChecking no", "UserKnownHostsFile none", "UserKnownHostsFile /dev/null"):
        (sshd.home / ".ssh" / "config").write_text(f"Host *\n  {lines}\n")
        if "UserKnownHostsFile" not in lines:
            sshd.known_hosts.write_text("")
        assert "the server is not known" in refused(sshd.url()).what


def test_a_key_of_another_kind_than_the_known_one_is_refused(sshd: Sshd) -> None:
    other = asyncssh.generate_private_key("ecdsa-sha2-nistp256").export_public_key().decode()
    sshd.known_hosts.write_text(f"[127.0.0.1]:{sshd.port} {other}")
    assert "CHANGED" in refused(sshd.url()).what


def test_kinds_of_keys_that_the_user_forbids_are_not_taken(sshd: Sshd) -> None:
    (sshd.home / ".ssh" / "config").write_text("HostKeyAlgorithms rsa-sha2-512\n")
    with pytest.raises(StorageError):
        use(sshd.url())


def test_hashed_names_count_and_broken_lines_do_not(sshd: Sshd) -> None:
    subprocess.run([needed("ssh-keygen"), "-q", "-H", "-f", sshd.known_hosts], check=True, capture_output=True)
    hashed = sshd.known_hosts.read_text()
    assert hashed.startswith("|1|")
    sshd.known_hosts.write_bytes(b"nonsense\n|1|x ssh-rsa\n\xff\xfe @x y z\n@odd a b\n" + hashed.encode() + b"# end")
    use(sshd.url())


def test_the_users_configuration_says_how_a_host_is_reached(sshd: Sshd) -> None:
    ours = sshd.home / "ours"
    (sshd.home / ".ssh" / "id_ed25519").rename(sshd.home / "my key")
    sshd.known_hosts.rename(ours)
    ours.write_text(ours.read_text().replace(f"[127.0.0.1]:{sshd.port}", "the-nas"))
    (sshd.home / ".ssh" / "config").write_text(
        f'Host nas\n  HostName 127.0.0.1\n  Port {sshd.port}\n  IdentityFile "{sshd.home}/my key"\n'
        f"  HostKeyAlias the-nas\n  UserKnownHostsFile {ours}\n  Ciphers aes256-ctr\n"
    )
    use(f"sftp://nas{sshd.folder}/vault")
    assert "cipher: aes256-ctr" in sshd.log.read_text()


def test_a_configuration_that_cannot_be_read_is_said_so(sshd: Sshd) -> None:
    (sshd.home / ".ssh" / "config").write_text("Port many\n")
    with pytest.raises(UsageError, match="SSH configuration"):
        use(sshd.url())


def test_nothing_but_files_is_given_to_the_server(sshd: Sshd) -> None:
    (sshd.home / ".ssh" / "config").write_text(
        "ForwardAgent yes\nForwardX11Trusted yes\nRemoteCommand rm -rf x\nSetEnv SECRET=1\nSendEnv HOME\nRequestTTY force\n"
    )
    use(sshd.url())
    log = sshd.log.read_text()
    kinds = {line.split()[-3] for line in log.splitlines() if "server_input_channel_req: channel" in line}
    assert {
        name for name in ("subsystem", "exec", "env", "pty-req", "auth-agent", "x11-req") if f"request {name}" in log
    } == {"subsystem"}, kinds


def test_a_key_that_the_server_does_not_know_is_not_let_in(sshd: Sshd) -> None:
    sshd.new_user_key()
    error = refused(sshd.url())
    assert "did not let us in" in error.what
    assert "authorized_keys" in error.hint or "public key" in error.hint
    sshd.let_in()
    use(sshd.url())


@pytest.fixture
def agent(sshd: Sshd, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An agent that holds nothing yet."""
    socket_path = sshd.folder / "agent"
    process = subprocess.Popen([needed("ssh-agent"), "-D", "-a", str(socket_path)], stdout=subprocess.DEVNULL)
    monkeypatch.setenv("SSH_AUTH_SOCK", str(socket_path))
    while not socket_path.exists():
        assert process.poll() is None
    yield socket_path
    process.kill()
    process.wait()


def test_a_key_of_the_agent_is_enough(sshd: Sshd, agent: Path) -> None:
    key = sshd.home / ".ssh" / "id_ed25519"
    subprocess.run([needed("ssh-add"), "-q", str(key)], check=True, capture_output=True)
    key.unlink()
    use(sshd.url())


@pytest.mark.parametrize("config", ["", "IdentityFile ~/.ssh/id_ed25519\n"])
def test_a_key_file_with_a_passphrase_is_passed_over(sshd: Sshd, config: str) -> None:
    (sshd.home / ".ssh" / "config").write_text(config)
    key = sshd.home / ".ssh" / "id_ed25519"
    subprocess.run([needed("ssh-keygen"), "-q", "-p", "-P", "", "-N", "not asked for", "-f", key], check=True)
    assert "did not let us in" in refused(sshd.url()).what


@pytest.mark.parametrize("user", ["a b", "x;reboot", "$(id)", "a'b", "a\\b", "%72eboot%20now", "ä"])
def test_users_are_plain_words(user: str) -> None:
    with pytest.raises(UsageError):
        open_sftp(parse_address(f"sftp://{user}@localhost/vault"), access())


@pytest.mark.parametrize("host", ["-oProxyCommand=touch x", "a b", "a;b", "$(id)", "-p"])
def test_hosts_are_plain_words(host: str) -> None:
    with pytest.raises(UsageError):
        open_sftp(parse_address(f"sftp://{host}/vault"), access())


def test_a_proxy_command_is_the_users_own_and_gets_plain_words(sshd: Sshd) -> None:
    script = sshd.home / "proxy"
    script.write_text(
        "import socket, sys, threading, os\n"
        f"open({str(sshd.home / 'words')!r}, 'w').write(repr(sys.argv[1:]))\n"
        f"s = socket.create_connection(('127.0.0.1', {sshd.port}))\n"
        "def up():\n"
        "    while data := os.read(0, 65536): s.sendall(data)\n"
        "threading.Thread(target=up, daemon=True).start()\n"
        "while data := s.recv(65536): os.write(1, data)\n"
    )
    (sshd.home / ".ssh" / "config").write_text(f"ProxyCommand {needed('python3')} {script} %h %p\n")
    use(sshd.url())
    assert (sshd.home / "words").read_text() == f"['127.0.0.1', '{sshd.port}']"


def test_where_nobody_listens_is_unavailable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(UnavailableError, match=r"cannot connect to sftp:.*: Connection refused"):
        use(f"sftp://127.0.0.1:{port}/vault")


def test_a_server_that_says_nothing_is_not_waited_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        pytest.raises(UnavailableError, match="no answer in time"),
    ):
        use(f"sftp://127.0.0.1:{server.getsockname()[1]}/vault", timeout=0.3)


def test_whoever_waits_for_the_same_connection_learns_at_once_that_it_failed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    with socket.create_server(("127.0.0.1", 0)) as server, ThreadPoolExecutor(6) as pool:
        url = f"sftp://127.0.0.1:{server.getsockname()[1]}/vault"
        storage = open_sftp(parse_address(url), access(timeout=0.5))
        begin = time.monotonic()
        tries = [pool.submit(storage.get, "a") for _ in range(6)]
        assert all(isinstance(one.exception(), UnavailableError) for one in tries)
        assert time.monotonic() - begin < 6 * 0.5


class _Asking(asyncssh.SSHServer):
    """Lets in who knows the password."""

    def __init__(self, by_questions: bool) -> None:
        self._by_questions = by_questions

    def password_auth_supported(self) -> bool:
        return not self._by_questions

    def kbdint_auth_supported(self) -> bool:
        return self._by_questions

    def validate_password(self, username: str, password: str) -> bool:
        return password == "right"

    def get_kbdint_challenge(self, username: str, lang: str, submethods: str) -> object:
        return "", "", "", [("Password: ", False)]

    def validate_kbdint_response(self, username: str, responses: list[str]) -> bool:
        return responses == ["right"]


@pytest.fixture(params=["password", "questions"])
def asking(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A server that wants a password, of one kind or the other; its address."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    with pretending(
        tmp_path,
        lambda channel: asyncssh.SFTPServer(channel, chroot=str(tmp_path)),
        lambda: _Asking(request.param == "questions"),
    ) as url:
        yield url


def test_the_password_comes_from_the_environment(asking: str) -> None:
    use(asking, environ={ssh.PASSWORD: "right"}, secret=_nobody)


def test_or_from_the_keyring_under_the_shown_address(asking: str) -> None:
    asked: list[str] = []
    use(asking, environ={}, secret=lambda address: asked.append(address) or "right")
    assert asked == [asking]


@pytest.mark.parametrize("secret", ["a wrong secret", None])
def test_a_wrong_or_missing_password_is_refused_and_never_shown(asking: str, secret: str | None) -> None:
    error = refused(asking, environ={}, secret=lambda _: secret)
    assert "did not let us in" in error.what
    assert "wrong secret" not in f"{error!r} {error.hint}"
    assert ssh.PASSWORD in error.hint


def test_the_keyring_is_not_asked_when_a_key_is_enough(sshd: Sshd) -> None:
    use(sshd.url(), secret=_nobody)


def test_an_unknown_server_gets_no_password(asking: str, tmp_path: Path) -> None:
    (tmp_path / ".ssh" / "known_hosts").unlink()
    assert "not known" in refused(asking, environ={ssh.PASSWORD: "right"}, secret=_nobody).what


def _nobody(_address: str) -> str | None:
    message = "the keyring was asked"
    raise AssertionError(message)
