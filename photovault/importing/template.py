"""Where a photo goes by its date: ``{year}/{month}``, ``{year}/{year}-{month}-{day}/{name}``.

A template is a path below the library with fields in braces.  If it does not end in ``{name}``, the name is put behind it.
Pure.  Guarantee: a ``Template`` gives folders only, never ``..`` and never an absolute path, whatever the date says.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from photovault.errors import UsageError

if TYPE_CHECKING:
    from datetime import datetime

UNDATED: Final = (b"undated",)
_FIELD = re.compile(r"\{([a-z]*)\}")
_FIELDS: Final = {"year": "%Y", "month": "%m", "day": "%d", "hour": "%H", "minute": "%M", "second": "%S"}
_DEEPEST = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A template that can be used: its folders, each with fields of dates."""

    folders: tuple[str, ...]

    def folder(self, when: datetime | None) -> tuple[bytes, ...]:
        """The folder of what was taken ``when``, local time; ``undated`` for what has no date."""
        if when is None:
            return UNDATED
        return tuple(_FIELD.sub(lambda found: _field(found[1], when), one).encode() for one in self.folders)


def parse(text: str) -> Template:
    """Read a template.

    Raises:
        UsageError: an unknown field, a path that leads out of the library, or ``{name}`` anywhere but as its last part.
    """
    parts = text.removesuffix("{name}").split("/") if text.endswith(("/{name}", "{name}")) else text.split("/")
    folders = tuple(part for part in parts if part)
    for part in folders:
        _check(part, text)
    if text.startswith("/") or len(folders) > _DEEPEST or (parts[-1] and text.endswith("{name}")):
        raise UsageError(f"not a template of folders: {text}", _HINT)
    return Template(folders=folders)


_HINT = "write it as {year}/{month} or {year}/{year}-{month}-{day}/{name}"


def _check(part: str, text: str) -> None:
    unknown = [name for name in _FIELD.findall(part) if name not in _FIELDS]
    rest = _FIELD.sub("", part)
    if unknown or set(rest) & set("{}\\") or part in (".", "..") or not part.isprintable():
        what = f"{{{unknown[0]}}} is no field" if unknown else "it cannot be used"
        raise UsageError(
            f"template {text}: {what}", f"fields are {', '.join(_FIELDS)}, and {{name}} at the end; {_HINT}"
        )


def _field(name: str, when: datetime) -> str:
    return f"{when.year:04}" if name == "year" else when.strftime(_FIELDS[name])
