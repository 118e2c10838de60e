"""The commands of the tools that are compared, one small class each.

Every tool gets a repository of its own (below a scratch folder, or at an address on a server), a cache of its own and a
password from the environment, with the settings that its makers recommend: restic with its defaults (repository version 2, compression auto),
borg with repokey-blake2 and its defaults (lz4), rclone with a crypt remote and its defaults. All back up every file of the source, given as an absolute path.

What the checks promise is made equal. `check`: what the snapshots name is listed as stored (restic check; borg check
--archives-only, since the plain one reads the whole repository; photovault check). `check_data`: every stored byte is
read and its seal verified (restic check --read-data; borg check --archives-only --verify-data, which reads once what
the plain one reads twice; photovault check --data all).
"""

# ruff: noqa: ARG002, D102 -- Tool documents what all have in common, and not every tool takes a label

import os
import shlex
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from measure import Command

_CHECKOUT = Path(__file__).resolve().parent.parent
_FOREIGN = ("PYTHONDONTWRITEBYTECODE", "PHOTOVAULT_", "RESTIC_", "BORG_", "RCLONE_", "AWS_")
_PASSWORD = "correct horse battery staple"  # noqa: S105 -- it guards nothing but the scratch folder
_OBSCURED = "v-kzBPqAkfXr9IEEj6XDyqy26UYr0Ov5u4-zbYpdv8279hCvb0RKjWcCmAM"  # the same, as `rclone obscure` writes it


class Sender(ABC):
    """One program that puts files on a storage, with its state, and the storage unless it is a server, below `home`."""

    name: str
    program: tuple[str, ...]

    def __init__(self, home: Path, address: str = "", more: dict[str, str] | None = None) -> None:
        """Use `home`, which may be emptied between two runs, and `more` in the environment."""
        self.home = home
        self.repository = home / "repository"
        self.address = address or str(self.repository)
        self.more = more or {}

    def env(self) -> dict[str, str]:
        """Return the environment of every command: nothing of the user's own settings, all state below `home`."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
        folders = {f"XDG_{kind}_HOME": str(self.home / kind.lower()) for kind in ("CONFIG", "CACHE", "DATA", "STATE")}
        return kept | folders | self._settings() | self.more

    def version(self) -> str:
        """Return what the tool says of itself.

        Raises:
            OSError, subprocess.SubprocessError: it is not installed or does not start.

        """
        argv = (*self.program, self._version_argument)
        done = subprocess.run(argv, env=self.env(), check=True, capture_output=True, text=True, timeout=60)
        return done.stdout.strip().splitlines()[0]

    _version_argument = "--version"

    def _command(self, *arguments: object, cwd: Path | None = None) -> Command:
        return Command(argv=(*self.program, *map(str, arguments)), cwd=cwd)

    @abstractmethod
    def _settings(self) -> dict[str, str]:
        """Return the tool's own environment."""

    @abstractmethod
    def init(self) -> Command:
        """Make the repository."""

    @abstractmethod
    def backup(self, source: Path, label: str) -> Command:
        """Back up the folder; `label` is new in every call."""


class Tool(Sender):
    """One backup tool."""

    @abstractmethod
    def snapshots(self) -> Command:
        """List the snapshots: start, unlock, read the list."""

    @abstractmethod
    def restore(self, label: str, target: Path) -> Command:
        """Restore everything of the last backup, which had this label, into the empty folder `target`."""

    @abstractmethod
    def restore_one(self, label: str, file: Path, target: Path) -> Command:
        """Restore the one file, named as it was in the source."""

    @abstractmethod
    def forget(self) -> Command:
        """Keep the newest snapshot alone, and give back at once what only the others needed."""

    @abstractmethod
    def check(self) -> Command:
        """Check the structure."""

    @abstractmethod
    def check_data(self) -> Command:
        """Read and verify everything stored."""


class Photovault(Tool):
    """The checkout around this file. It opens the vault with the device's own key slot, without deriving a key."""

    name = "photovault"
    program: tuple[str, ...] = (sys.executable, "-m", "photovault")

    def _settings(self) -> dict[str, str]:
        return {
            "PYTHONPATH": str(_CHECKOUT),
            "PYTHONSAFEPATH": "1",  # not from the folder that the benchmark was started in
            "PHOTOVAULT_VAULT": self.address,
            "PHOTOVAULT_STATE_DIR": str(self.home / "photovault-state"),
            "PHOTOVAULT_CACHE_DIR": str(self.home / "photovault-cache"),
            "PHOTOVAULT_NO_KEYRING": "1",
        }

    def init(self) -> Command:
        return self._command("init", "--vault", self.address, "--words-file", self.home / "words.txt")

    def backup(self, source: Path, label: str) -> Command:
        return self._command("backup", source, "--all-files", "--no-progress")

    def snapshots(self) -> Command:
        return self._command("snapshots")

    def restore(self, label: str, target: Path) -> Command:
        return self._command("restore", "latest", "--to", target, "--no-progress")

    def restore_one(self, label: str, file: Path, target: Path) -> Command:
        return self._command("restore", "latest", file, "--to", target, "--no-progress")

    def forget(self) -> Command:
        return self._command("forget", "--keep-last", "1", "--min-age", "0s", "--grace", "0s", "--no-progress")

    def check(self) -> Command:
        return self._command("check", "--no-progress")

    def check_data(self) -> Command:
        return self._command("check", "--data", "all", "--no-progress")


class Restic(Tool):
    """Every command derives the key from the password anew (scrypt, about half a second): that is part of its times."""

    name = "restic"
    program = ("restic",)
    _version_argument = "version"

    def _settings(self) -> dict[str, str]:
        return {
            "RESTIC_REPOSITORY": self.address,
            "RESTIC_PASSWORD": _PASSWORD,
            "RESTIC_CACHE_DIR": str(self.home / "restic-cache"),
        }

    def init(self) -> Command:
        return self._command("init", "--quiet")

    def backup(self, source: Path, label: str) -> Command:
        return self._command("backup", "--quiet", source)

    def snapshots(self) -> Command:
        return self._command("snapshots")

    def restore(self, label: str, target: Path) -> Command:
        return self._command("restore", "--quiet", "latest", "--target", target)

    def restore_one(self, label: str, file: Path, target: Path) -> Command:
        return self._command("restore", "--quiet", "latest", "--target", target, "--include", file)

    def forget(self) -> Command:
        return self._command("forget", "--quiet", "--keep-last", "1", "--prune")

    def check(self) -> Command:
        return self._command("check", "--quiet")

    def check_data(self) -> Command:
        return self._command("check", "--quiet", "--read-data")


class Borg(Tool):
    """Every command derives the key from the password anew (PBKDF2, about a tenth of a second)."""

    name = "borg"
    program = ("borg",)

    def _settings(self) -> dict[str, str]:
        return {
            "BORG_REPO": str(self.repository),
            "BORG_PASSPHRASE": _PASSWORD,
            "BORG_BASE_DIR": str(self.home / "borg-base"),
            "BORG_DISPLAY_PASSPHRASE": "no",
        }

    def init(self) -> Command:
        return self._command("init", "--encryption", "repokey-blake2")

    def backup(self, source: Path, label: str) -> Command:
        return self._command("create", f"::{label}", source)

    def snapshots(self) -> Command:
        return self._command("list")

    def restore(self, label: str, target: Path) -> Command:
        return self._command("extract", f"::{label}", cwd=target)

    def restore_one(self, label: str, file: Path, target: Path) -> Command:
        return self._command("extract", f"::{label}", str(file).lstrip("/"), cwd=target)

    def forget(self) -> Command:
        prune, compact = ([*self.program, *words] for words in (("prune", "--keep-last", "1"), ("compact",)))
        return Command(argv=("sh", "-c", f"{shlex.join(prune)} && {shlex.join(compact)}"))

    def check(self) -> Command:
        return self._command("check", "--archives-only")

    def check_data(self) -> Command:
        return self._command("check", "--archives-only", "--verify-data")


class Rclone(Sender):
    """A crypt remote over a local folder: no archive, each file becomes one object under an encrypted name."""

    name = "rclone"
    program = ("rclone",)

    def _settings(self) -> dict[str, str]:
        return {
            "RCLONE_CONFIG": str(self.home / "rclone.conf"),
            "RCLONE_CONFIG_SEALED_TYPE": "crypt",
            "RCLONE_CONFIG_SEALED_REMOTE": self.address,
            "RCLONE_CONFIG_SEALED_PASSWORD": _OBSCURED,
        }

    def init(self) -> Command:
        return self._command("mkdir", "sealed:")

    def backup(self, source: Path, label: str) -> Command:
        return self._command("copy", source, "sealed:")


TOOLS: tuple[type[Tool], ...] = (Photovault, Restic, Borg)
_Sender = TypeVar("_Sender", bound=Sender)


def present(
    kinds: Sequence[type[_Sender]], scratch: Path, ours: Sequence[str] | None
) -> tuple[list[_Sender], dict[str, str]]:
    """Return the programs that start, and what each says of its version or why it is left out.

    `ours` is the command of photovault, if not that of the checkout.
    """
    found, said = [], {}
    for kind in kinds:
        tool = kind(scratch / kind.name)
        if kind.name == "photovault" and ours:
            tool.program = tuple(ours)
        try:
            said[tool.name] = tool.version()
            found.append(tool)
        except subprocess.CalledProcessError as error:
            said[tool.name] = f"left out, it does not start: {' '.join(error.stderr.split())[-300:]}"
        except (OSError, subprocess.SubprocessError) as error:
            said[tool.name] = f"left out, it does not start: {error}"
    return found, said
