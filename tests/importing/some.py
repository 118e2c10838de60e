"""Takeouts and libraries made by tests."""

from __future__ import annotations

import io
import json
import os
import sqlite3
import tarfile
import zipfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

GOOGLE = "Takeout/Google Photos"


def notes(title: str, taken: int = 1_600_000_000, **more: object) -> bytes:
    """What Google writes beside a photo; ``taken``: seconds since 1970 UTC."""
    value = {"title": title, "photoTakenTime": {"timestamp": str(taken)}, "url": "https://photos.google.com/photo/x"}
    return json.dumps(value | more).encode()


def album(title: str) -> bytes:
    """What Google writes into the folder of an album."""
    return json.dumps({"title": title, "description": "", "access": "protected", "date": {"timestamp": "1"}}).encode()


def zipped(path: Path, files: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    """A zip with ``files``, whose names are below Google Photos unless they begin with a slash or a dot."""
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name if name[0] in "/." else f"{GOOGLE}/{name}", data)
    return path


def tarred(path: Path, files: Mapping[str, bytes]) -> Path:
    """A tgz with ``files``."""
    with tarfile.open(path, "w:gz") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name if name[0] in "/." else f"{GOOGLE}/{name}")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def unpacked(root: Path, files: Mapping[str, bytes]) -> Path:
    """A folder with ``files``."""
    for name, data in files.items():
        path = root / GOOGLE / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return root


def tree(root: Path) -> dict[str, bytes]:
    """Every file below ``root`` with its bytes."""
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def left_over(root: Path) -> list[str]:
    """Temporary files below ``root``."""
    return [name for _, _, names in os.walk(root) for name in names if name.startswith(".photovault-")]


_SCHEMA = """
CREATE TABLE {asset} (Z_PK INTEGER PRIMARY KEY, ZUUID VARCHAR, ZDIRECTORY VARCHAR, ZFILENAME VARCHAR,
    ZDATECREATED TIMESTAMP, ZFAVORITE INTEGER, ZTRASHEDSTATE INTEGER, ZSAVEDASSETTYPE INTEGER, {adjusted} INTEGER,
    ZCLOUDBATCHPUBLISHDATE TIMESTAMP);
CREATE TABLE ZADDITIONALASSETATTRIBUTES (Z_PK INTEGER PRIMARY KEY, ZASSET INTEGER, ZORIGINALFILENAME VARCHAR,
    ZTIMEZONEOFFSET INTEGER);
CREATE TABLE ZGENERICALBUM (Z_PK INTEGER PRIMARY KEY, ZTITLE VARCHAR, ZKIND INTEGER, ZPARENTFOLDER INTEGER,
    ZTRASHEDSTATE INTEGER);
CREATE TABLE Z_{n}ASSETS (Z_{n}ALBUMS INTEGER, Z_{m}ASSETS INTEGER, Z_FOK_{m}ASSETS INTEGER);
"""


class ApplePhotos:
    """A small library of Apple Photos, as its version has it."""

    def __init__(self, root: Path, version: int = 8) -> None:
        self.root = root
        self.database = root / "database" / "Photos.sqlite"
        self.database.parent.mkdir(parents=True)
        self.asset = "ZGENERICASSET" if version == 5 else "ZASSET"
        self.adjusted = "ZADJUSTMENTSSTATE" if version >= 10 else "ZHASADJUSTMENTS"
        self.n, self.m = {5: (26, 34), 6: (26, 3), 8: (28, 3), 10: (30, 3)}[version]
        self.db = sqlite3.connect(self.database)
        self.db.execute("PRAGMA journal_mode = WAL")
        self.db.executescript(_SCHEMA.format(asset=self.asset, adjusted=self.adjusted, n=self.n, m=self.m))

    def add(
        self,
        uuid: str,
        name: str,
        files: Mapping[str, bytes],
        *,
        created: float = 600_000_000.0,
        offset: int = 0,
        favourite: bool = False,
        trashed: bool = False,
        adjusted: int = 0,
        saved: int = 3,
        folder: str | None = None,
        shared: float | None = None,
        albums: tuple[int, ...] = (),
    ) -> None:
        """One photo; ``files`` by what their names add to the UUID, or by a path below the library."""
        file = uuid + os.path.splitext(name)[1].lower()
        values = (uuid, folder or uuid[0], file, created, favourite, trashed, saved, adjusted, shared)
        key = self.db.execute(
            f"INSERT INTO {self.asset} (ZUUID, ZDIRECTORY, ZFILENAME, ZDATECREATED, ZFAVORITE, ZTRASHEDSTATE, "
            f"ZSAVEDASSETTYPE, {self.adjusted}, ZCLOUDBATCHPUBLISHDATE) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            values,
        ).lastrowid
        more = "INSERT INTO ZADDITIONALASSETATTRIBUTES (ZASSET, ZORIGINALFILENAME, ZTIMEZONEOFFSET) VALUES (?, ?, ?)"
        self.db.execute(more, (key, name, offset))
        for one in albums:
            self.db.execute(f"INSERT INTO Z_{self.n}ASSETS VALUES (?, ?, 0)", (one, key))
        for suffix, data in files.items():
            rendered = suffix.startswith(("_1_201", "_2_"))
            path = self.root / ("resources/renders" if rendered else "originals") / uuid[0] / (uuid + suffix)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        self.db.commit()

    def album(self, key: int, title: str, *, kind: int = 2, parent: int | None = None, trashed: bool = False) -> None:
        """An album, or with ``kind`` 4000 a folder of albums."""
        self.db.execute("INSERT INTO ZGENERICALBUM VALUES (?, ?, ?, ?, ?)", (key, title, kind, parent, trashed))
        self.db.commit()
