"""A real OpenSSH server on a loopback port, run by the present user, and the home folder of somebody who may log in.

It serves files only (internal-sftp), has a host key of its own, and knows the keys of ``home``.  ``home`` is to be HOME:
in it are ``.ssh/id_ed25519``, which the server lets in, and ``.ssh/known_hosts``, which knows the server.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Self

import asyncssh

from tests.support.programs import needed

if TYPE_CHECKING:
    from pathlib import Path

_PATIENCE = 20.0
_CONFIG = """
ListenAddress 127.0.0.1
Port {port}
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/authorized_keys
PidFile none
StrictModes no
UsePAM no
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
AllowTcpForwarding no
AllowAgentForwarding no
X11Forwarding no
MaxStartups 100
LoginGraceTime 20
LogLevel DEBUG1
Subsystem sftp {files}
{more}
"""


class Sshd:
    """``with Sshd(folder) as server:`` everything of it is in ``folder``."""

    def __init__(self, folder: Path, more: str = "", *, tells: bool = False) -> None:
        """``more``: further lines of its configuration; ``tells``: it writes every request into ``requests``."""
        self.folder = folder
        self.home = folder / "home"
        self.log = folder / "log"
        self.port = _free_port()
        self.requests = folder / "requests"
        self._files = f"{needed('sftp-server')} -e -l DEBUG1 2>>{self.requests}" if tells else "internal-sftp"
        self._more = more
        self._process: subprocess.Popen[bytes] | None = None
        (self.home / ".ssh").mkdir(parents=True, mode=0o700)
        self.new_host_key()
        self.trust()
        self.new_user_key()
        self.let_in()

    @property
    def known_hosts(self) -> Path:
        """Whom the person at ``home`` knows."""
        return self.home / ".ssh" / "known_hosts"

    @property
    def host_key(self) -> asyncssh.SSHKey:
        """The server's public key."""
        return asyncssh.read_public_key(self.folder / "host_key.pub")

    def url(self, path: Path | str = "") -> str:
        """The address of a folder on the server; by default of one that is not there yet."""
        return f"sftp://127.0.0.1:{self.port}{path or self.folder / 'vault'}"

    def new_host_key(self) -> None:
        """From the next start on the server has another key."""
        _new_key(self.folder / "host_key")

    def new_user_key(self) -> None:
        """The person has another key, which the server does not know."""
        _new_key(self.home / ".ssh" / "id_ed25519")

    def let_in(self) -> None:
        """The server knows the person's key."""
        (self.folder / "authorized_keys").write_bytes((self.home / ".ssh" / "id_ed25519.pub").read_bytes())

    def trust(self) -> None:
        """The person knows the server's key."""
        self.known_hosts.write_text(f"[127.0.0.1]:{self.port} {(self.folder / 'host_key.pub').read_text()}")

    def start(self) -> None:
        """Begin, and wait until it answers."""
        program = needed("sshd")
        if os.geteuid() == 0:
            os.makedirs("/run/sshd", mode=0o755, exist_ok=True)  # an empty folder that it insists on
        config = self.folder / "sshd_config"
        config.write_text(_CONFIG.format(port=self.port, folder=self.folder, files=self._files, more=self._more))
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [program, "-D", "-e", "-f", str(config)], stdin=subprocess.DEVNULL, stderr=log
            )
        end = time.monotonic() + _PATIENCE
        while not _answers(self.port):
            if self._process.poll() is not None or time.monotonic() > end:
                raise AssertionError(self.log.read_text())
            time.sleep(0.02)

    def kill(self) -> None:
        """End it as a power cut does: all its processes at once."""
        self.send(signal.SIGKILL)
        if self._process is not None:
            self._process.wait()
        self._process = None

    def send(self, number: signal.Signals) -> None:
        """A signal to all its processes."""
        if self._process is None:
            return
        for pid in _family(self._process.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def __enter__(self) -> Self:
        """Start it."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop it."""
        self.kill()


def _new_key(path: Path) -> None:
    key = asyncssh.generate_private_key("ssh-ed25519")
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    key.write_private_key(path)
    key.write_public_key(path.with_name(f"{path.name}.pub"))


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=_PATIENCE) as client:
            return client.recv(4) == b"SSH-"
    except OSError:
        return False


def _family(pid: int) -> list[int]:
    """A process, its children and theirs, parents first."""
    parents: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdecimal():
            with suppress(OSError), open(f"/proc/{entry}/stat", "rb") as file:
                parent = int(file.read().rpartition(b")")[2].split()[1])
                parents.setdefault(parent, []).append(int(entry))
    found = [pid]
    for one in found:
        found += parents.get(one, [])
    return found
