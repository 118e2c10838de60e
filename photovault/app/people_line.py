"""The line to a process that looks after faces: how it is started, and what goes over its pipes.

The process is this Python with this package.  Requests are lines of JSON on its standard input, answers are lines of JSON on its
standard output.  No name of a person is in its arguments or its environment, and no password of a vault.

Guarantee: an error there is the same error here; one that nobody expected tells its kind and nothing else, as what it says may
hold names.  What a library prints there is no answer.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import photovault
from photovault import errors
from photovault.errors import PhotovaultError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from types import FrameType

LINE_MAX: Final = 256 * 1024 * 1024
_SETTINGS: Final = ("vault", "config", "no_config", "profile", "wait")
_BLOCK: Final = 1 << 16
_LOOK: Final = 3.0  # seconds between two looks
_LAST: Final = 1.0  # seconds for a last question

# The end that asks -------------------------------------------------------------------------------------------------------


def boot_of(module: str) -> str:
    """The program that runs ``main`` of a module of ours; the folder of the package is its argument."""
    return (
        "import sys; sys.path.insert(0, sys.argv[1]); import photovault; del sys.path[0]; "
        f"from {module} import main; main()"
    )


def settings_of(settings: object) -> dict[str, object]:
    """The settings of a call that concern people; none of them is a secret."""
    return {name: getattr(settings, name) for name in _SETTINGS}


def started(boot: str, environ: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """A process that listens."""
    root = Path(photovault.__file__).parents[1]
    kept = {name: value for name, value in environ.items() if not name.startswith("PHOTOVAULT_PASSWORD")}
    return subprocess.Popen(  # noqa: S603 - this Python, and this package
        [sys.executable, "-P", "-c", boot, str(root)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=kept,
    )


def stream(pipe: Any) -> Any:  # noqa: ANN401 - subprocess types a pipe as one that may be none
    """A pipe that is one."""
    return pipe


def error_of(kind: str, what: str, hint: str) -> PhotovaultError:
    """The error that was raised there."""
    found = getattr(errors, kind, PhotovaultError)
    is_ours = isinstance(found, type) and issubclass(found, PhotovaultError)
    return (found if is_ours else PhotovaultError)(what, hint)


# The end that answers ----------------------------------------------------------------------------------------------------


class Line:
    """The child's end: lines to whoever asks, and whether it still does."""

    def __init__(self) -> None:
        """Take over standard output."""
        self._out = os.fdopen(os.dup(1), "wb")
        with open(os.devnull, "wb") as nothing:
            os.dup2(nothing.fileno(), 1)  # what a library prints is no answer
        self._over = False
        signal.signal(signal.SIGTERM, self._end)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the one who asks hears Ctrl-C and says what becomes of it

    def _end(self, _signal: int, _frame: FrameType | None) -> None:
        self._over = True

    def request(self) -> dict[str, Any]:
        """What is asked, where that is one thing."""
        line = b""
        while not line.endswith(b"\n") and (data := os.read(0, 1)):  # nothing beyond it: then it is over
            line += data
        return dict(json.loads(line))

    def requests(self, patience: float, still: Callable[[], bool]) -> Iterator[dict[str, Any]]:
        """What is asked, one after the other, until nobody is there, or nothing was asked for ``patience`` seconds.

        While nothing is asked, it looks now and then whether it is ``still`` to answer.  Told to end, the process ends at
        once: whoever wants to know more starts another.
        """
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        held = bytearray()
        while _comes(patience, still) and (data := os.read(0, _BLOCK)):
            held += data
            while b"\n" in held:
                line, _, held = held.partition(b"\n")
                yield dict(json.loads(line))

    def enough(self) -> bool:
        """Whether nobody wants to know any more."""
        if not self._over and os.name != "nt":
            self._over = _is_there(0)
        return self._over

    def say(self, value: Mapping[str, object]) -> None:
        """Say a line; to nobody, if nobody is there."""
        try:
            self._out.write(json.dumps(value).encode() + b"\n")
            self._out.flush()
        except OSError:
            self._over = True

    def total(self, files: int, size: int) -> None:
        """Progress."""
        self.say({"total": [files, size]})

    def advance(self, files: int, size: int, path: str) -> None:  # noqa: ARG002 - names of files stay here
        """Progress."""
        self.say({"advance": [files, size]})


def told(answer: Callable[[], object]) -> dict[str, object]:
    """An answer as it is said, or why there is none."""
    try:
        return {"answer": answer()}
    except PhotovaultError as error:
        return {"error": {"kind": type(error).__name__, "what": error.what, "hint": error.hint}}
    except Exception as error:  # noqa: BLE001 - what it says may hold names, so only its kind is told
        kind = type(error).__name__
        what = f"unexpected {kind} in the process that looks after faces: this is a defect of photovault"
        return {"error": {"kind": "PhotovaultError", "what": what, "hint": "report it"}}


def _comes(patience: float, still: Callable[[], bool]) -> bool:
    """Whether something can be read within so many seconds, or nobody is there any more; as long as it is ``still`` wanted.

    When it is not any more, a question that is on its way is waited for a little: whoever put it shall hear why.
    """
    end = time.monotonic() + patience
    while (left := end - time.monotonic()) > 0:
        wanted = still()
        if _is_there(min(left, _LOOK if wanted else _LAST)):
            return True
        if not wanted:
            return False
    return False


def _is_there(patience: float) -> bool:
    """Whether something can be read, or nobody is there any more, within so many seconds."""
    if os.name == "nt":
        return True  # pipes cannot be waited for there: reading waits
    import select

    return bool(select.select([0], [], [], patience)[0])
