"""Real servers on loopback, started for the tests and stopped after them: SeaweedFS for S3, WsgiDAV for WebDAV.

Each is a process of its own on free ports, in a folder of its own, so that a test can kill it in the middle of anything
and start it again on what it left.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import opendal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import pytest

KEY, SECRET = "tester", "a-secret-for-tests"
USER, PASSWORD = "tester", "a password for tests"
BUCKET = "photos"
_PATIENCE = 30.0


def free_ports(count: int) -> list[int]:
    """Ports of loopback that nobody uses now; +10000 is free as well, where SeaweedFS puts its own protocol."""
    found: list[int] = []
    while len(found) < count:
        with socket.socket() as one, socket.socket() as other:
            one.bind(("127.0.0.1", 0))
            port = one.getsockname()[1]
            with suppress(OSError, OverflowError):
                other.bind(("127.0.0.1", port + 10000))
                found.append(port)
    return found


class Server:
    """A process that listens on ``port``."""

    def __init__(self, command: list[str], port: int, folder: Path, environ: dict[str, str] | None = None) -> None:
        self.port = port
        self.folder = folder
        self._command = command
        self._environ = os.environ | (environ or {})
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        """Start it and wait until it answers."""
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self._command, cwd=self.folder, env=self._environ, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        _until(self.answers, self)

    def answers(self) -> bool:
        """Whether somebody listens."""
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
            return True
        return False

    def lives(self) -> bool:
        """Whether the process is there."""
        return self._process is not None and self._process.poll() is None

    @contextmanager
    def hanging(self) -> Iterator[None]:
        """It takes connections, and answers nobody."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """End it at once, as a power cut does."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None


def _until(ready: Callable[[], bool], server: Server) -> None:
    end = time.monotonic() + _PATIENCE
    while True:
        with suppress(Exception):  # not ready yet
            if ready():
                return
        if time.monotonic() > end or not server.lives():
            server.kill()
            raise AssertionError((server.folder / "log").read_text(errors="replace")[-3000:])
        time.sleep(0.05)


class SeaweedFS(Server):
    """An S3 store; ``identities`` are those who may use it."""

    def __init__(self, folder: Path, identities: list[dict[str, object]] | None = None) -> None:
        names = ["master", "volume", "filer", "s3", "admin", "s3.port.iceberg", "s3.port.lance"]
        ports = dict(zip(names, free_ports(len(names)), strict=True))
        (folder / "data").mkdir(parents=True)
        config = folder / "s3.json"
        config.write_text(json.dumps({"identities": identities or [identity()]}))
        weed = shutil.which("weed", path=f"{os.path.dirname(sys.executable)}{os.pathsep}{os.environ.get('PATH', '')}")
        if weed is None:
            raise FileNotFoundError("weed")
        self.weed = weed
        self.master = ports["master"]
        flags = {f"{name}.port" if "port" not in name else name: port for name, port in ports.items()}
        flags |= {"ip": "127.0.0.1", "ip.bind": "127.0.0.1", "bucket": BUCKET, "dir": str(folder / "data")}
        flags |= {"admin.ui": "false", "webdav": "false", "s3.config": str(config), "s3.autoCreateBucket": "false"}
        flags |= {"master.telemetry": "false", "master.volumeSizeLimitMB": 64}
        command = [weed, "mini", *(f"-{name}={value}" for name, value in flags.items())]
        super().__init__(command, ports["s3"], folder)

    def start(self) -> None:
        """Start it and wait until it really stores: it answers long before that."""
        super().start()
        options = {"bucket": BUCKET, "region": "us-east-1", "endpoint": f"http://127.0.0.1:{self.port}"}
        operator = opendal.Operator("s3", access_key_id=KEY, secret_access_key=SECRET, **options)
        _until(lambda: operator.write("ready", b"yes") or operator.read("ready") == b"yes", self)

    def url(self, prefix: str, port: int | None = None, bucket: str = BUCKET) -> str:
        """The address of a place in it, perhaps through a proxy on ``port``."""
        return f"s3://{bucket}/{prefix}?endpoint=http://127.0.0.1:{port or self.port}"

    def let_in(self, monkeypatch: pytest.MonkeyPatch, key: str = KEY, secret: str = SECRET) -> None:
        """Put into the environment what logs in."""
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", key)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret)

    def shell(self, line: str) -> str:
        """Run a line of SeaweedFS's own shell."""
        done = subprocess.run(
            [self.weed, "shell", f"-master=127.0.0.1:{self.master}"],
            input=f"lock\n{line}\nunlock\nexit\n",
            capture_output=True,
            text=True,
            check=True,
            cwd=self.folder,
        )
        return done.stdout + done.stderr


def identity(key: str = KEY, secret: str = SECRET, actions: tuple[str, ...] = ("Admin",)) -> dict[str, object]:
    """Somebody who may use a SeaweedFS."""
    return {
        "name": key,
        "credentials": [{"accessKey": key, "secretKey": secret}],
        "actions": list(actions),
    }


class WsgiDAV(Server):
    """A WebDAV server that asks for a password."""

    def __init__(self, folder: Path) -> None:
        (port,) = free_ports(1)
        (folder / "data").mkdir(parents=True)
        config = {
            "host": "127.0.0.1",
            "port": port,
            "server": "cheroot",
            "provider_mapping": {"/": str(folder / "data")},
            "simple_dc": {"user_mapping": {"*": {USER: {"password": PASSWORD}}}},
            "http_authenticator": {"accept_basic": True, "accept_digest": False, "default_to_digest": False},
            "logging": {"enable": False},
        }
        (folder / "wsgidav.json").write_text(json.dumps(config))
        program = [sys.executable, "-W", "ignore", "-c", "from wsgidav.server.server_cli import run; run()"]
        super().__init__([*program, "--config", str(folder / "wsgidav.json")], port, folder)

    def url(self, path: str, port: int | None = None) -> str:
        """The address of a place in it, perhaps through a proxy on ``port``."""
        return f"webdav://{USER}@127.0.0.1:{port or self.port}/{path}"

    def let_in(self, monkeypatch: pytest.MonkeyPatch, password: str = PASSWORD) -> None:
        """Put into the environment what logs in."""
        monkeypatch.setenv("PHOTOVAULT_WEBDAV_PASSWORD", password)
