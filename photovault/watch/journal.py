"""What the daemon says: a line for a person, or a line of JSON, for each thing that happened.

Guarantees: a line is one line and cannot steer a terminal; saying never fails and may be done from any thread.  Unless
``names`` is true, no photo is named: fields that hold a path are left out, and a text that names something in a source is
cut after the source.  Under systemd, which keeps the time itself, a line begins with its priority instead (sd-daemon(3)).
"""

from __future__ import annotations

import json
import re
import threading
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime

_PATHS = frozenset({"file", "path", "paths"})
_BAD = ("failed", "cannot", "unexpected", "refused", "broken")
_WORDS = {
    "why": "{}",
    "error": "{}",
    "do": "what to do: {}",
    "again in seconds": "tried again in {} s",
    "seconds": "for {} s",
    "held": "files that still change: {}",
}
_WARNING, _NOTICE = "<4>", "<5>"


class Journal:
    """Writes down what is said; ``World.say`` of the daemon."""

    def __init__(
        self,
        stream: IO[str],
        now: Callable[[], datetime],
        *,
        as_json: bool = False,
        names: bool = False,
        to_systemd: bool = False,
        sources: Iterable[str] = (),
    ) -> None:
        """``sources``: folders in which names are private; ``to_systemd``: the stream is the system's journal."""
        self._stream = stream
        self._now = now
        self._as_json = as_json
        self._names = names
        self._to_systemd = to_systemd
        self._private = _private(sources)
        self._lock = threading.Lock()

    def hide(self, sources: Iterable[str]) -> None:
        """From now on names in these folders are private, instead of in those before."""
        self._private = _private(sources)

    def __call__(self, what: str, more: Mapping[str, object]) -> None:
        """Say that ``what`` happened, and ``more`` about it."""
        shown = (
            dict(more) if self._names else {key: self._kept(value) for key, value in more.items() if key not in _PATHS}
        )
        line = self._json(what, shown) if self._as_json else self._text(what, shown)
        with self._lock, suppress(OSError, ValueError):  # a log that is full or gone must not end the daemon
            self._stream.write(line + "\n")
            self._stream.flush()

    def _kept(self, value: object) -> object:
        if isinstance(value, str) and self._private is not None:
            return self._private.sub(r"\1...", value)
        return value

    def _json(self, what: str, more: Mapping[str, object]) -> str:
        head: dict[str, Any] = {"schema": 1, "message_type": "event", "time": self._now().isoformat(), "event": what}
        return json.dumps(head | {key.replace(" ", "_"): value for key, value in more.items()}, default=str)

    def _text(self, what: str, more: Mapping[str, object]) -> str:
        if self._to_systemd:
            head = _WARNING if any(word in what for word in _BAD) else _NOTICE
        else:
            head = self._now().strftime("%Y-%m-%d %H:%M:%S ")
        return head + _printable(sentence(what, more))


def sentence(what: str, more: Mapping[str, object]) -> str:
    """An event in words: ``backup done: nas: 3 files, 1.2 MB, snapshot 1a2b3c4d``."""
    rest = dict(more)
    first = [what, *(str(rest.pop(key)) for key in ("destination", "source") if key in rest)]
    facts = (
        _stored(rest) if what == "backup done" else [_fact(key, value) for key, value in rest.items() if _says(value)]
    )
    return ": ".join([*first, "; ".join(facts)] if facts else first)


def _fact(key: str, value: object) -> str:
    return _WORDS.get(key, key + " {}").format(f"{round(value):,}" if isinstance(value, int | float) else value)


def _stored(done: Mapping[str, object]) -> list[str]:
    if not done.get("snapshot"):
        facts = ["nothing new"]
    else:
        size, files = done.get("size"), done.get("files") or 0
        facts = [f"{files:,} file{'' if files == 1 else 's'}", f"snapshot {str(done['snapshot'])[:8]}"]
        facts[1:1] = [f"{size / 1e6:,.1f} MB"] if isinstance(size, int | float) and size else []
    if done.get("problems"):
        number = f"{done['problems']} file{'' if done['problems'] == 1 else 's'}"
        facts.append(f"{number} could not be read, or are suspect: `photovault status` says more")
    return [", ".join(facts)]


def _says(value: object) -> bool:
    return value not in ("", None, 0)


def _private(sources: Iterable[str]) -> re.Pattern[str] | None:
    """What finds a path in a source, and all that follows it: where a name ends, nobody can tell."""
    folders = sorted({source.rstrip("/") for source in sources}, key=len)
    return re.compile(f"((?:{'|'.join(map(re.escape, folders))})/).+", re.DOTALL) if folders else None


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
