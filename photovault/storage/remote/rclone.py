"""A storage that rclone reaches: one call of the program for each step.

Where a remote can move files, ``put`` writes a temporary file under ``tmp/`` and moves it to its name; where it cannot, it
is a store of objects, which shows an object when it is whole.  rclone keeps the credentials, in its own configuration.

Nothing in an address or a name can become an option: both are of plain characters, and both come after ``--``.  rclone
gets no secret of photovault, and what it says is repeated without addresses, which may hold one.  Guarantee: as good as
the remote and rclone's way to it.  Not guaranteed: that an object which another device puts under the same name at the
same moment is seen (it has the same bytes, since its name is their digest), and that a store of files without moves never
shows half an object; the vault notices that one when it reads it.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
import threading
from contextlib import suppress
from functools import cached_property
from typing import IO, TYPE_CHECKING, Any, cast
from uuid import uuid4

from photovault.errors import AbsentError, MissingError, PhotovaultError, RefusedError, UnavailableError, UsageError
from photovault.storage.base import Buffer, Stored, check_name, check_whole

if TYPE_CHECKING:
    from collections.abc import Iterator

    from photovault.storage.addresses import Address
    from photovault.storage.opening import Access

_TMP = "tmp"
_STALE = "1d"  # no put takes so long, not even another device's
_LONGEST_SECONDS = 3600  # rclone minds its own time; this ends one that does not
_LONGEST_ANSWER = 1024 * 1024 * 1024  # bytes of a listing; that is about ten million names
_SHOWN = 200  # characters of rclone's words that a message repeats
_ABSENT = (3, 4)  # exit codes of rclone: no such folder, no such file
_IS_REFUSED = re.compile(
    r"permission|denied|forbidden|unauthori[sz]ed|\b40[13]\b|invalid_grant|token|quota|no space|insufficient|storage full",
    re.IGNORECASE,
)
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*://\S+", re.IGNORECASE)
_TIME = re.compile(r"^\d{4}/\d\d/\d\d \d\d:\d\d:\d\d ")


def open_rclone(address: Address, access: Access) -> RcloneStorage:
    """The storage at ``rclone:NAME:PATH``.  Nothing is asked of it yet.

    Raises:
        UsageError: rclone is not installed.
    """
    program = shutil.which("rclone", path=access.environ.get("PATH"))
    if program is None:
        raise UsageError("rclone is not installed", "install it (`apt install rclone`), then `rclone config`")
    return RcloneStorage(program, address, access)


class RcloneStorage:
    """Objects as files below one folder of a remote of rclone."""

    def __init__(self, program: str, address: Address, access: Access) -> None:
        """Use ``program`` to reach the remote."""
        self.address = address.shown
        self._root = f"{address.host}:{address.path}"
        self._environ = {key: value for key, value in access.environ.items() if not key.startswith("PHOTOVAULT_")}
        seconds = f"{max(1, round(access.timeout))}s"
        self._command = [
            program,
            "--ask-password=false",
            "--retries=1",
            f"--timeout={seconds}",
            f"--contimeout={seconds}",
        ]
        self._sizes: dict[str, int] = {}  # of what was listed; objects do not change
        self._was_there = False
        self._swept = False

    def put(self, name: str, data: Buffer) -> None:
        """Store an object."""
        check_name(name)
        if self._is_there_already(name, data):
            return
        try:
            if self._moves:
                self._put_and_move(name, data)
            else:
                self._run("rcat", self._path(name), given=data)
        except MissingError as error:
            raise self._gone() from error
        self._was_there = True

    def get(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        """Read a range."""
        check_name(name)
        size = self._sizes.get(name)
        if size is None:
            size = self._size(name)
        if size is None:
            raise self._missing(name)
        if length is None:
            check_whole(name, size)
        end = size if length is None else offset + length
        if end > size or offset > size:
            raise MissingError(f"{name} ends at byte {size}, byte {end} was asked for")
        return self._read(name, offset, end - offset) if end > offset else b""

    def listing(self, prefix: str) -> Iterator[Stored]:
        """List objects."""
        below = prefix.rstrip("/")
        for entry in self._entries(below):
            name, size = _name_and_size(entry, self.address)
            if not (name.startswith(f"{_TMP}/") and not below):
                one = Stored(name=f"{below}/{name}" if below else name, size=size)
                self._sizes[one.name] = one.size
                yield one

    def delete(self, name: str) -> None:
        """Remove an object."""
        check_name(name)
        self._sizes.pop(name, None)
        try:
            self._run("deletefile", self._path(name))
        except PhotovaultError:
            if self._size(name) is not None:
                raise

    def _put_and_move(self, name: str, data: Buffer) -> None:
        temporary = self._path(f"{_TMP}/{uuid4().hex}")
        try:
            self._run("rcat", temporary, given=data)
            self._run("moveto", temporary, self._path(name))
        except PhotovaultError:
            self._try("deletefile", temporary)
            raise
        if not self._swept:  # remove what crashed runs left more than a day ago
            self._swept = True
            self._try("delete", f"--min-age={_STALE}", self._path(_TMP))

    def _is_there_already(self, name: str, data: Buffer) -> bool:
        size = self._size(name)
        if size is None:
            return False
        if size != len(data) or (size and self._read(name, 0, size) != data):
            raise RefusedError(f"{name} is there already, with other contents")
        return True

    def _read(self, name: str, offset: int, length: int) -> bytes:
        try:
            data = self._run("cat", f"--offset={offset}", f"--count={length}", self._path(name), at_most=length)
        except MissingError:
            self._sizes.pop(name, None)
            raise self._missing(name) from None
        if len(data) != length:
            self._sizes.pop(name, None)
            raise MissingError(f"{name} is not as long as it was")
        return data

    def _size(self, name: str) -> int | None:
        """The size of an object, None when there is none."""
        try:
            found = self._json("lsjson", "--stat", "--no-modtime", self._path(name))
        except MissingError:
            return None
        self._was_there = True
        _, size = _name_and_size(found, self.address)
        return None if found.get("IsDir") else size

    def _entries(self, below: str) -> list[Any]:
        words = ("--recursive", "--files-only", "--no-modtime", "--no-mimetype")
        try:
            found = self._json("lsjson", *words, self._path(below))
        except MissingError:
            if below and self._root_is_there():
                return []
            raise self._gone() from None
        self._was_there = True
        if not isinstance(found, list):
            raise UnavailableError(f"{self.address}: rclone gave an answer that cannot be read")
        return found

    def _root_is_there(self) -> bool:
        try:
            self._json("lsjson", "--stat", "--no-modtime", self._root)
        except MissingError:
            return False
        return True

    @cached_property
    def _moves(self) -> bool:
        """Whether the remote can move a file; asked once."""
        found = self._json("backend", "features", self._root.partition(":")[0] + ":")
        features = found.get("Features") if isinstance(found, dict) else None
        return isinstance(features, dict) and bool(features.get("Move"))

    def _json(self, *words: str) -> Any:  # noqa: ANN401 - whatever rclone says
        try:
            return json.loads(self._run(*words, at_most=_LONGEST_ANSWER))
        except (ValueError, RecursionError):
            raise UnavailableError(f"{self.address}: rclone gave an answer that cannot be read") from None

    def _try(self, *words: str) -> None:
        with suppress(PhotovaultError):
            self._run(*words)

    def _run(self, verb: str, *words: str, given: Buffer | None = None, at_most: int = _LONGEST_ANSWER) -> bytes:
        """Run rclone; of ``words`` those with dashes in front are options, all of them our own."""
        options = [word for word in words if word.startswith("--")]
        places = [word for word in words if not word.startswith("--")]
        with tempfile.TemporaryFile() as says:
            code, answer = _call([*self._command, verb, *options, "--", *places], self._environ, given, at_most, says)
            if len(answer) > at_most:
                raise UnavailableError(f"{self.address}: rclone gave more than was asked for")
            if code:
                raise self._translate(code, _last_line(says))
        return answer

    def _path(self, name: str) -> str:
        joint = "/" if name and not self._root.endswith((":", "/")) else ""
        return f"{self._root}{joint}{name}"

    def _missing(self, name: str) -> PhotovaultError:
        if self._was_there and not self._root_is_there():
            return self._gone()
        return MissingError(f"{name} is not in {self.address}")

    def _gone(self) -> AbsentError:
        return AbsentError(f"{self.address} is not there", "check the path of the address")

    def _translate(self, code: int, words: str) -> PhotovaultError:
        if code in _ABSENT:
            return MissingError(f"{self.address}: {words}")
        if "didn't find section" in words:
            return RefusedError(f"{self.address}: rclone has no remote of that name", "see `rclone listremotes`")
        if _IS_REFUSED.search(words):
            return RefusedError(f"{self.address} refused: {words}", "check rights, quota and login there with rclone")
        return UnavailableError(f"{self.address} failed: {words}", "try the same with rclone by hand")


def _call(
    command: list[str], environ: dict[str, str], given: Buffer | None, at_most: int, says: IO[bytes]
) -> tuple[int, bytes]:
    """Run a command on ``given``; returns its exit code and up to ``at_most`` + 1 bytes of what it prints."""
    stdin = subprocess.DEVNULL if given is None else subprocess.PIPE
    with subprocess.Popen(  # noqa: S603 - no shell, and no word that can be an option
        command, env=environ, stdin=stdin, stdout=subprocess.PIPE, stderr=says
    ) as process:
        guard = threading.Timer(_LONGEST_SECONDS, process.kill)
        guard.start()
        try:
            if given is None and process.stdout is not None:
                answer = process.stdout.read(at_most + 1)
            else:
                answer, _ = process.communicate(cast("bytes", given))
        except BaseException:
            process.kill()
            raise
        finally:
            guard.cancel()
        if len(answer) > at_most:
            process.kill()
    return process.returncode, answer


def _last_line(says: IO[bytes]) -> str:
    """The end of what rclone says: without time, addresses, and anything that could steer a terminal."""
    says.seek(max(0, says.seek(0, os.SEEK_END) - 8 * _SHOWN))
    lines = says.read().decode("utf-8", "replace").splitlines() or [""]
    line = _ADDRESS.sub("...", _TIME.sub("", lines[-1]))
    return "".join(c if c.isprintable() else " " for c in line[:_SHOWN])


def _name_and_size(entry: object, address: str) -> tuple[str, int]:
    """The path and size in one of rclone's entries; a size that the remote does not know is 0."""
    if isinstance(entry, dict):
        path, size = entry.get("Path"), entry.get("Size")
        if isinstance(path, str) and type(size) is int:
            return path, max(0, size)
    raise UnavailableError(f"{address}: rclone gave an answer that cannot be read")
