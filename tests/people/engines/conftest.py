"""Engines are made once a session: reading the weights takes most of a second."""

from __future__ import annotations

import pytest

from photovault.people import engines
from photovault.people.engines import models
from photovault.people.values import EngineOrder
from tests.support.programs import missing


@pytest.fixture(scope="session")
def order():
    return EngineOrder()


@pytest.fixture(scope="session")
def engine(order):
    try:
        return engines.open_engine(order, models.locate(order))
    except models.MissingExtraError as problem:
        missing(f"{problem}: {problem.hint}")
