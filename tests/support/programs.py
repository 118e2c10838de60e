"""Programs of the system that tests run: where they are missing, tests are skipped with the reason, or fail if asked to."""

from __future__ import annotations

import os
import shutil

import pytest


def needed(name: str) -> str:
    """The path of a program; the test is skipped when it is not installed."""
    found = shutil.which(
        name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin:/usr/lib/openssh:/usr/libexec/openssh"
    )
    if found is None:
        missing(f"{name} is not installed: run `sh tests/install.sh`")
    return str(found)


def missing(reason: str) -> None:
    """Skip the test for a reason outside of it; fail it where PHOTOVAULT_TESTS_NEED_ALL says that nothing may be missing."""
    if os.environ.get("PHOTOVAULT_TESTS_NEED_ALL"):
        pytest.fail(reason)
    pytest.skip(reason)
