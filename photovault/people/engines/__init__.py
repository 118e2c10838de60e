"""Engines that find and measure faces: ``models`` says which files one needs, ``open_engine`` makes one of them.

Importing this loads no library; ``open_engine`` does, so only a face worker calls it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from photovault.people.engines.base import FaceEngine
    from photovault.people.engines.models import Models
    from photovault.people.values import EngineOrder


def open_engine(order: EngineOrder, models: Models) -> FaceEngine:
    """Read the files, compare their SHA-256, and make the engine; afterwards it opens nothing.

    Raises:
        MissingExtraError: a package is missing or its files are not those that are known.
        UsageError: the model of the user's own cannot be used, and why.
    """
    # Each of them imports the libraries that it needs, and no other's.
    if order.kind == "face_recognition":
        from photovault.people.engines.named import open_named  # noqa: PLC0415 - as above

        return open_named(order, models)
    if order.kind == "onnx":
        from photovault.people.engines.own import open_own  # noqa: PLC0415 - as above

        return open_own(order, models)
    from photovault.people.engines.dlib import open_dlib  # noqa: PLC0415 - as above

    return open_dlib(order, models)
