"""Measure the gallery over a large library: how soon photos are on the screen, how heavy a page is, and what the server takes.

    python bench/gallery.py [--photos 100000] [--quick] [--work DIR] [--json FILE] [--photovault COMMAND]

A vault is made that holds the listings of so many invented photos, some pictures as their thumbnails, and no photo. `photovault
gallery` serves it in a process of its own. Over HTTP: `/` until its first byte, until its last, and until the photos of its first
part are there; then the photos of months all over the years, in a random order, each asked for once. A page weighs what its
HTML, styles and scripts do, uncompressed. Memory is the most that the server's process ever had (VmHWM). In Debian's Chromium,
where that and Playwright are installed: from the request of `/`, and from a click on another year, until a thumbnail is drawn.

Prints a table beside the targets, which are for 100,000 photos; `--quick` takes 5,000. A target that was missed stands there as
missed and changes no exit code. Not guaranteed: a quiet machine; a browser that is as quick as one with a graphics card.
"""

import argparse
import http.client
import io
import json
import os
import re
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from html import unescape
from importlib.util import find_spec
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

from PIL import Image

from catalog import Figure, make_vault, table
from measure import BenchError, peak_of, say

if TYPE_CHECKING:
    from playwright.sync_api import Page

_CHECKOUT = Path(__file__).resolve().parent.parent
_MANY, _FEW = 100_000, 5_000
_ROW_MS, _JUMP_MS, _WEIGHT_KB, _MEMORY_MB = 300.0, 300.0, 300.0, 250.0
_JUMPS = 60
_AGAIN = 5
_THUMBNAILS = 64
_SEED = 1
_READY_S = 600.0
_DRAWN = "[...document.images].some(one => one.src.includes('/thumb/') && one.complete && one.naturalWidth && %s)"
_CLICK = "share => { const years = [...document.querySelectorAll('.years a')]; years[Math.floor(share * years.length)].click() }"
_SEEN = "one.getBoundingClientRect().top < innerHeight && one.getBoundingClientRect().bottom > 0"


class Server:
    """`photovault gallery`, from its start to the end of the `with`, and one browser's cookie."""

    def __init__(self, program: Sequence[str], env: Mapping[str, str], log: Path) -> None:
        """Start it."""
        with log.open("wb") as file:
            self._process = subprocess.Popen(
                [*program, "gallery", "--no-open", "--json"],
                env=dict(env),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=file,
            )
        self._log, self._cookie = log, ""

    def __enter__(self) -> Self:
        """Wait until it listens."""
        line = self._process.stdout.readline() if self._process.stdout else b""
        if not line:
            self.__exit__()
            raise BenchError("the gallery did not start: " + self._log.read_text(errors="replace")[-2_000:])
        self.link = str(json.loads(line)["url"])
        return self

    def __exit__(self, *_: object) -> None:
        """End it."""
        self._process.terminate()
        try:
            self._process.wait(15)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout:
            self._process.stdout.close()

    @property
    def peak(self) -> int:
        """The most memory that it ever had, in bytes."""
        return peak_of(self._process.pid)

    def enter(self) -> None:
        """Use the one-time link."""
        answer = self.get(urlsplit(self.link).path)
        self._cookie = answer.cookie

    def get(self, path: str) -> "Reply":
        """What it answers, with its times.

        Raises:
            BenchError: it is no success.

        """
        connection = http.client.HTTPConnection(urlsplit(self.link).netloc, timeout=60)
        headers = {"Cookie": self._cookie} if self._cookie else {}
        began = time.perf_counter()
        try:
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            first = time.perf_counter() - began
            body = answer.read()
        finally:
            connection.close()
        if answer.status >= http.HTTPStatus.BAD_REQUEST:
            message = f"{answer.status} from {path}: {body[-1_000:]!r}"
            raise BenchError(message)
        cookie = (answer.getheader("set-cookie") or "").partition(";")[0]
        return Reply(
            body=body.decode(errors="replace"),
            size=len(body),
            first_s=first,
            whole_s=time.perf_counter() - began,
            cookie=cookie,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer: its text, its bytes, seconds until the first and the last of them, and a cookie that it set."""

    body: str
    size: int
    first_s: float
    whole_s: float
    cookie: str


def over_http(server: Server, jumps: int) -> Iterator[Figure]:
    """What is asked for without a browser."""
    server.enter()
    home = _prepared(server)
    yield Figure(what="/, first byte", value=home.first_s * 1000, unit="ms")
    yield Figure(what="/, whole page", value=home.whole_s * 1000, unit="ms")
    parts = _parts(home.body)
    inside = "/thumb/" in home.body
    row = home.whole_s if inside else home.whole_s + server.get(parts[0]).whole_s
    yield Figure(what="first row of photos, from the request", value=row * 1000, unit="ms", target=_ROW_MS)
    weight = home.size + sum(server.get(path).size for path in _loaded(home.body))
    yield Figure(what="page before thumbnails", value=weight / 1000, unit="kB", target=_WEIGHT_KB)
    took = [server.get(path).whole_s * 1000 for path in Random(_SEED).sample(parts, min(jumps, len(parts)))]  # noqa: S311 - nothing secret
    yield Figure(what=f"photos of a random month, median of {len(took)}", value=statistics.median(took), unit="ms")
    worst = sorted(took)[int(0.95 * (len(took) - 1))]
    yield Figure(what="photos of a random month, 95 of 100", value=worst, unit="ms", target=_JUMP_MS)
    pictures = re.findall(r'src="(/thumb/[^"]+)"', server.get(parts[0]).body)[:40]
    seen = [server.get(unescape(path)).whole_s * 1000 for path in pictures]
    yield Figure(what=f"a thumbnail, median of {len(seen)}", value=statistics.median(seen), unit="ms")


def _prepared(server: Server) -> Reply:
    """The timeline, once the listings are read; as it is when nothing is to be read any more."""
    end = time.monotonic() + _READY_S
    while not _parts(server.get("/").body):
        if time.monotonic() > end:
            message = f"no timeline in {_READY_S:.0f} s"
            raise BenchError(message)
        time.sleep(0.2)
    return server.get("/")


def _parts(body: str) -> list[str]:
    """Addresses of the parts of a timeline, as its script makes them."""
    return [f"/part?first={first}&last={last}" for first, last in re.findall(r'data-p="(\d+),(\d+),\d+"', body)]


def _loaded(body: str) -> set[str]:
    """Styles and scripts of a page."""
    return {unescape(path) for path in re.findall(r'(?:src|href)="(/static/[^"]+\.(?:js|css)[^"]*)"', body)}


def in_a_browser(env: Mapping[str, str], program: Sequence[str], log: Path) -> Iterator[Figure]:
    """Seconds until pictures are drawn; nothing where no browser is."""
    chromium = shutil.which("chromium")
    if chromium is None or not find_spec("playwright"):
        say("no Chromium, or no Playwright: nothing is measured in a browser")
        return
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - of the tests; the bench runs without it

    flags = ["--disable-gpu", *["--no-sandbox"] * (os.geteuid() == 0)]
    with Server(program, env, log) as server, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=flags)
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.goto(server.link)
        _until(page, _DRAWN % "true", _READY_S)
        drawn = []
        for _ in range(_AGAIN):
            page.goto(page.url, wait_until="commit")
            _until(page, _DRAWN % "true")
            drawn.append(float(page.evaluate("performance.now()")))
        yield Figure(
            what="browser: first photo drawn, from the request, median", value=statistics.median(drawn), unit="ms"
        )
        jumps = []
        for share in (0.5, 0.9, 0.2, 0.7, 0.35, 0.8, 0.1):
            began = time.perf_counter()
            page.evaluate(_CLICK, share)
            _until(page, _DRAWN % _SEEN)
            jumps.append((time.perf_counter() - began) * 1000)
        yield Figure(what="browser: photos of another year drawn, median", value=statistics.median(jumps), unit="ms")
        browser.close()


def _until(page: "Page", holds: str, seconds: float = 30.0) -> None:
    """Ask from outside whether a script says yes: the page's policy lets nobody evaluate anything inside."""
    from playwright.sync_api import Error as PlaywrightError  # noqa: PLC0415 - as above

    end = time.monotonic() + seconds
    while True:
        with suppress(PlaywrightError):  # the page is on its way to another one
            if page.evaluate(holds):
                return
        if time.monotonic() > end:
            message = f"no photo drawn in {seconds:.0f} s"
            raise BenchError(message)
        time.sleep(0.005)


def pictures(count: int) -> list[bytes]:
    """Thumbnails of about the size that those of photos have."""
    made = []
    for number in range(count):
        noise = Image.frombytes("RGB", (48, 32), Random(number).randbytes(48 * 32 * 3))  # noqa: S311 - nothing secret
        out = io.BytesIO()
        noise.resize((512, 341), Image.Resampling.BICUBIC).save(out, "WEBP", quality=75)
        made.append(out.getvalue())
    return made


def bench(work: Path, count: int, program: Sequence[str]) -> list[Figure]:
    """Make a vault in `work` and measure."""
    os.environ.update(
        {
            "PYTHONPATH": str(_CHECKOUT),
            "PHOTOVAULT_VAULT": str(work / "vault"),
            "PHOTOVAULT_CONFIG": str(work / "config.toml"),
            "PHOTOVAULT_STATE_DIR": str(work / "state"),
            "PHOTOVAULT_CACHE_DIR": str(work / "cache"),
            "PHOTOVAULT_NO_KEYRING": "1",
        }
    )
    say(f"making a vault with listings of {count:,} photos")
    make_vault(work, os.environ, count, pictures(_THUMBNAILS))
    say("measuring")
    began = time.perf_counter()
    with Server(program, os.environ, work / "log.txt") as server:
        listening = time.perf_counter() - began
        figures = list(over_http(server, _JUMPS))
        figures.append(Figure(what="memory of the server", value=server.peak / 1e6, unit="MB", target=_MEMORY_MB))
    return [
        Figure(what="start of the command until it listens", value=listening * 1000, unit="ms"),
        *figures,
        *in_a_browser(os.environ, program, work / "log.txt"),
    ]


def main(words: Sequence[str] | None = None) -> int:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--photos", type=int, default=_MANY)
    parser.add_argument("--quick", action="store_true", help=f"{_FEW:,} photos")
    parser.add_argument("--work", type=Path, help="folder for the vault and the state, instead of a temporary one")
    parser.add_argument("--json", type=Path, help="also write the figures into this file")
    parser.add_argument("--photovault", metavar="COMMAND", help="measure this instead of the checkout")
    given = parser.parse_args(words)
    program = shlex.split(given.photovault) if given.photovault else [sys.executable, "-m", "photovault"]
    with tempfile.TemporaryDirectory(dir=given.work, ignore_cleanup_errors=True) as work:
        figures = bench(Path(work), _FEW if given.quick else given.photos, program)
    print(table(figures))
    if given.json is not None:
        given.json.write_text(json.dumps([asdict(one) for one in figures], indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
