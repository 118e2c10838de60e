"""Programs of the system that tests run: where they are missing, CI fails and anybody else is told."""

from __future__ import annotations

import os
import shutil

import pytest


def needed(name: str) -> str:
    """The path of a program; the test is skipped when it is not installed, in CI it fails."""
    found = shutil.which(
        name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin:/usr/lib/openssh:/usr/libexec/openssh"
    )
    if found is None:
        missing(f"{name} is not installed: run `sh tests/install.sh`")
    return str(found)


def missing(reason: str) -> None:
    """Skip the test for a reason outside of it; in CI fail it."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)
