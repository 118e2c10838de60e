"""A configuration that is refused."""

from __future__ import annotations

import pytest

from photovault.config import parse
from photovault.errors import ConfigError


def refusal(text: str) -> ConfigError:
    """Return the error that ``text`` is refused with."""
    with pytest.raises(ConfigError) as caught:
        parse(text, "my.toml")
    assert caught.value.what.startswith("my.toml: ")
    return caught.value
