"""Builds and wires everything; the only place that reads the clock, the environment and randomness.

``Setup`` (settings) knows what was asked for and where things are, ``Opener`` (session) opens and makes vaults, ``App``
(runs) carries out one command, ``keys`` changes the ways into a vault.
"""

from photovault.app.runs import App
from photovault.app.settings import Settings, Surroundings

__all__ = ["App", "Settings", "Surroundings"]
