"""Giving memory back."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import sys
from photovault.watch.memory import give_back
if sys.argv[1] == "yes":
    give_back()

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096

bytearray(16 << 20)  # freed at once: raises what glibc takes for large
kept = [bytearray(8 << 20) for _ in range(8)]
pin = bytearray(200_000)  # a small block above them, so that the heap cannot shrink
before = resident()
kept.clear()
print(before - resident())
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's malloc")
def test_freed_buffers_go_back_to_the_system():
    def freed(answer: str) -> int:
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, answer], capture_output=True, text=True, check=True, timeout=60
        )
        return int(done.stdout)

    assert freed("yes") > 60 << 20
    assert freed("no") < 60 << 20  # else this shows nothing
