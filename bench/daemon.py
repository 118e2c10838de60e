"""A vault of its own and `photovault watch` on it, with its log and what it costs; for watch.py and soak.py.

Processor time and memory are what /proc says of the daemon's process (Linux); its children are counted once they ended.
"""

import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self

_CHECKOUT = Path(__file__).resolve().parent.parent
_LOOK_EVERY_S = 0.01
_TICKS = os.sysconf("SC_CLK_TCK")


class DaemonError(Exception):
    """The daemon, or a command, did not do what it should; the message holds what it said."""


class Home:
    """A vault in a folder, a configuration that backs up every file of `photos` to it, and commands that use both."""

    def __init__(self, work: Path, photos: Path, program: str | None, watch: Mapping[str, str]) -> None:
        """`program`: a command in place of the checkout; `watch`: settings of the daemon, as TOML has them."""
        self.work, self.photos = work, photos
        self.program = tuple(shlex.split(program)) if program else (sys.executable, "-m", "photovault")
        config = work / "config.toml"
        self.env = os.environ | {
            "PYTHONPATH": str(_CHECKOUT),
            "PHOTOVAULT_VAULT": str(work / "vault"),
            "PHOTOVAULT_CONFIG": str(config),
            "PHOTOVAULT_STATE_DIR": str(work / "state"),
            "PHOTOVAULT_CACHE_DIR": str(work / "cache"),
            "PHOTOVAULT_NO_KEYRING": "1",
        }
        lines = ["[[sources]]", f"path = '{photos}'", "[backup]", "all_files = true"]
        lines += ["[guards]", "changed = 100", "lost = 100", "broken = 100"]  # what happens here is meant
        lines += ["[watch]"]
        config.write_text("\n".join([*lines, *(f"{key} = {value}" for key, value in watch.items()), ""]))
        self.run("init", "--vault", str(work / "vault"), "--words-file", str(work / "words.txt"))

    def run(self, *arguments: str) -> str:
        """Run a command to its end; return its output.

        Raises:
            DaemonError: it failed.

        """
        done = subprocess.run(
            [*self.program, *arguments], env=self.env, stdin=subprocess.DEVNULL, capture_output=True, check=False
        )
        if done.returncode != 0:
            message = f"exit code {done.returncode} from {arguments}: {done.stderr[-2_000:].decode(errors='replace')}"
            raise DaemonError(message)
        return done.stdout.decode()

    def is_protected(self) -> bool:
        """Return whether `photovault status` says that everything is safe."""
        done = subprocess.run(
            [*self.program, "status", "--json"],
            env=self.env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
        said = done.stdout.splitlines()
        return done.returncode == 0 and bool(said) and json.loads(said[-1])["protected"] is True


class Daemon:
    """`photovault watch`, from its start to the end of the `with`."""

    def __init__(self, home: Home) -> None:
        """Start it."""
        self.log = home.work / "daemon.log"
        self.began = time.monotonic()
        self._read = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*home.program, "watch", "--json"], env=home.env, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()

    def wait(self, event: str, seconds: float, **facts: object) -> Mapping[str, Any]:
        """Return the next event of this name with these facts.

        Raises:
            DaemonError: it did not come in time, or the daemon has ended.

        """
        end = time.monotonic() + seconds
        while True:
            for one in self._lines():
                if one.get("event") == event and facts.items() <= one.items():
                    return one
            if self._process.poll() is not None or time.monotonic() > end:
                message = f"no {event!r} in {seconds:.0f} s: {self.log.read_text(errors='replace')[-2_000:]}"
                raise DaemonError(message)
            time.sleep(_LOOK_EVERY_S)

    def skip(self) -> None:
        """Pass over everything that was logged until now."""
        self._read = self.log.stat().st_size

    def _lines(self) -> Iterator[Mapping[str, Any]]:
        with self.log.open("rb") as log:
            log.seek(self._read)
            line = log.readline()
        if line.endswith(b"\n"):
            self._read += len(line)
            yield json.loads(line)

    def cpu_s(self) -> float:
        """Return the seconds of processor that it and its ended children have used."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return sum(map(int, fields[11:15])) / _TICKS  # proc(5): utime, stime, cutime, cstime

    def memory(self, key: str = "VmRSS") -> int:
        """Return its memory in bytes: resident now (VmRSS), or at most so far (VmHWM)."""
        rows = Path(f"/proc/{self._process.pid}/status").read_text().splitlines()
        return next(int(row.split()[1]) * 1024 for row in rows if row.startswith(f"{key}:"))
