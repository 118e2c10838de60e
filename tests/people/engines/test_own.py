"""A model of the user's own: described, compared, run; what does not fit is named."""

from __future__ import annotations

import dataclasses
import hashlib
import math

import numpy as np
import pytest

from photovault.errors import UsageError
from photovault.people import engines
from photovault.people.engines import models, protobuf
from photovault.people.values import EngineOrder, ModelOrder
from tests.support import faces

SIZE, DIMENSIONS = 112, 24


def network(shape=("n", 3, SIZE, SIZE), output=("n", DIMENSIONS)) -> bytes:
    """A network that means nothing: random stripes are laid over the face and summed."""
    last = shape[1] != 3
    random = np.random.default_rng(5)
    count = math.prod(one for one in shape[1:] if isinstance(one, int))
    nodes = [
        protobuf.node("Flatten", ["face"], "flat", axis=1),
        protobuf.node("MatMul", ["flat", "stripes"], "measures"),
    ]
    coarse = random.standard_normal((3, 7, 7, DIMENSIONS)).repeat(SIZE // 7, 1).repeat(SIZE // 7, 2) / 1000
    stripes = (coarse.transpose(1, 2, 0, 3) if last else coarse).reshape(-1, DIMENSIONS)[:count]
    stripes = stripes.astype(np.float32)
    return protobuf.network(
        nodes, {"stripes": stripes}, [protobuf.port("face", shape)], [protobuf.port("measures", output)]
    )


@pytest.fixture
def described(tmp_path):
    def describe(model: bytes = b"", **changes) -> EngineOrder:
        path = tmp_path / "model.onnx"
        path.write_bytes(model or network())
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        return EngineOrder(kind="onnx", model=ModelOrder(**{"path": str(path), "sha256": sha256, **changes}))

    return describe


def opened(order):
    return engines.open_engine(order, models.locate(order))


@pytest.mark.parametrize(
    "shape", [("n", 3, SIZE, SIZE), (1, 3, SIZE, SIZE), ("n", SIZE, SIZE, 3), (1, SIZE, SIZE, 3), ("n", 3, "h", "w")]
)
def test_it_finds_and_measures(described, shape):
    engine = opened(described(network(shape) if shape[2] != "h" else network()))
    image = np.asarray(faces.group(["obama", "biden", "hopper"]).image)
    found = engine.detect(image)
    vectors = engine.embed(image, found)
    assert engine.dimensions == DIMENSIONS
    assert vectors.shape == (3, DIMENSIONS)
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1)
    assert np.allclose(vectors[1:2], engine.embed(image, found[1:2]), atol=1e-6)


def test_colours_mean_scale_and_metric_change_what_is_measured(described):
    image = np.asarray(faces.portrait("biden").image)
    measured = []
    for change in ({}, {"colours": "bgr"}, {"mean": 0.0}, {"alignment": "dlib"}, {"metric": "euclidean"}):
        engine = opened(described(**change))
        measured.append((engine.key, engine.embed(image, engine.detect(image))))
    assert len({key for key, _ in measured}) == 5
    assert all(np.abs(one - measured[0][1]).max() > 1e-3 for _, one in measured[1:])


def test_scale_and_mean_are_applied_as_written(described):
    image = np.asarray(faces.portrait("biden").image)
    plain, scaled = (opened(described(metric="euclidean", mean=0.0, scale=scale)) for scale in (1.0, 0.5))
    found = plain.detect(image)
    assert np.allclose(scaled.embed(image, found), plain.embed(image, found) / 2, rtol=1e-4)


def test_another_file_under_that_path_is_refused(described):
    order = described()
    with open(order.model.path, "ab") as file:
        file.write(b"more")
    with pytest.raises(UsageError, match="another file") as caught:
        opened(order)
    assert "put that SHA-256 into sha256 under [people.model]" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (b"no network", "ONNX Runtime"),
        (network((1, 3, 96, 96)), r"it takes \[1, 3, 96, 96\], not faces of 112 x 112"),
        (network((1, 1, SIZE, SIZE)), "it takes"),
        (network((1, SIZE * SIZE * 3)), "it takes"),
    ],
)
def test_what_is_wrong_with_a_model_is_said(described, model, reason):
    with pytest.raises(UsageError, match=reason):
        opened(described(model))


@pytest.mark.parametrize(
    "change",
    [
        {"sha256": "12"},
        {"size": 15},
        {"size": 100_000},
        {"scale": 0.0},
        {"scale": math.nan},
        {"mean": math.inf},
        {"threshold": -1.0},
        {"threshold": math.inf},
        {"path": ""},
        {"path": "/nowhere/model.onnx"},
    ],
)
def test_a_description_that_cannot_be_is_refused(described, change):
    with pytest.raises(
        UsageError, match=next(iter(change)) if change.get("path", "") != "/nowhere/model.onnx" else "no file"
    ):
        models.locate(described(**change))


def test_a_model_without_a_description_is_refused():
    with pytest.raises(UsageError, match=r"\[people.model\]"):
        models.locate(EngineOrder(kind="onnx"))


def test_numbers_that_are_none_become_numbers(described):
    nodes = [protobuf.node("Flatten", ["face"], "flat", axis=1), protobuf.node("MatMul", ["flat", "stripes"], "sums")]
    nodes.append(protobuf.node("Log", ["sums"], "measures"))
    stripes = np.zeros((3 * SIZE * SIZE, DIMENSIONS), np.float32)
    model = protobuf.network(
        nodes,
        {"stripes": stripes},
        [protobuf.port("face", (1, 3, SIZE, SIZE))],
        [protobuf.port("measures", (1, DIMENSIONS))],
    )
    engine = opened(described(model))
    image = np.asarray(faces.portrait("biden").image)
    assert engine.embed(image, engine.detect(image)).tolist() == [[0.0] * DIMENSIONS]


def test_its_threshold_goes_with_the_library(described):
    curve = models.curve_of(described(threshold=1.0))
    assert dict(curve.points)[2000] == 1.0
    assert [faces for faces, _ in curve.points] == sorted(faces for faces, _ in curve.points)
    assert [distance for _, distance in curve.points] == sorted((d for _, d in curve.points), reverse=True)


def test_the_key_names_the_model_and_how_it_is_used(described):
    order = described()
    again = dataclasses.replace(order, model=dataclasses.replace(order.model, path="/elsewhere", threshold=0.3))
    assert models.key_of(order) == models.key_of(again)  # the same vectors
    assert models.key_of(order) != models.key_of(EngineOrder())
    other = dataclasses.replace(order, model=dataclasses.replace(order.model, sha256="5" * 64))
    assert models.key_of(order) != models.key_of(other), "other weights measure something else"
