"""The gallery as its user has it: a library, a vault, ``photovault gallery`` in a process of its own, and a real browser.

    home = Home(folder); home.grow()      photos of fifteen years, three snapshots of them, thumbnails, by the command line
    with Gallery(home) as gallery:        the server; its one-time link is used by the first page
        with Browser() as browser, browser.visit(gallery) as page: ...

Guarantee: at the end of a visit every request of its pages went to the gallery and nowhere else, no script failed, and nothing was
refused by the content security policy.  No name of a host leads anywhere in this browser, also not for its own background work.
"""

from __future__ import annotations

import io
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

import psutil
from PIL import Image, ImageDraw

from tests.support.photos import put
from tests.support.programs import missing, needed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from playwright.sync_api import BrowserContext, ConsoleMessage, Page

PASSWORD = "of the sea and of the hills"
HOSTILE = ('"><img src=x onerror=alert(1)>.jpg', "it's & <b>bold<b>.jpg", "peak \N{SNOW CAPPED MOUNTAIN}\N{FAMILY}.jpg")
WIDTHS = (360, 1024, 1920)
_ROOT = Path(__file__).parents[2]
_PATIENCE = 40.0
_MS = 15_000
_TOWNS = {"Rome": (41.89, 12.49), "Paris": (48.86, 2.35), "Sydney": (-33.87, 151.21), "San Francisco": (37.77, -122.42)}
_FLAGS = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-domain-reliability",
    "--disable-features=OptimizationHints,MediaRouter,Translate",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
)


# Photos -------------------------------------------------------------------------------------------------------------


def landscape(seed: int, size: tuple[int, int] = (480, 320)) -> Image.Image:
    """A sky, a sun and hills: something that can be looked at, and told from the others."""
    random, (wide, high) = Random(seed), size
    sky, ground = ([random.randrange(low, low + 90) for _ in range(3)] for low in (150, 40))
    column = Image.new("RGB", (1, 32))
    for row in range(32):
        column.putpixel((0, row), tuple(round(a + (b - a) * row / 40) for a, b in zip(sky, ground, strict=True)))
    image = column.resize(size, Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(image)
    x, y, sun = random.uniform(0.1, 0.9) * wide, random.uniform(0.1, 0.4) * high, min(size) * random.uniform(0.04, 0.1)
    draw.ellipse((x - sun, y - sun, x + sun, y + sun), fill=(255, 250, 220))
    for layer in range(3):
        waves, shift, base = random.uniform(2, 7), random.uniform(0, 6), high * (0.5 + 0.15 * layer)
        hill = [
            (wide * step / 60, base + high * 0.08 * math.sin(waves * step / 60 * 3 + shift * layer))
            for step in range(61)
        ]
        shade = tuple(round(one * (0.9 - 0.25 * layer)) for one in ground)
        draw.polygon([(0, high), *hill, (wide, high)], fill=shade)
    return image


def photo(seed: int, taken: str, town: str = "", size: tuple[int, int] = (480, 320), turned: int = 1) -> bytes:
    """A JPEG with a date ("2021:05:04 13:22:11"), a camera, and a place if a town is named."""
    exif = Image.Exif()
    exif[0x010F], exif[0x0110], exif[0x0112] = "Canon", "Canon EOS 80D", turned
    exif.get_ifd(0x8769)[0x9003] = taken
    if town:
        exif.get_ifd(0x8825).update(_gps(*_TOWNS[town], Random(seed)))
    out = io.BytesIO()
    landscape(seed, size).save(out, "JPEG", quality=82, exif=exif)
    return out.getvalue()


def _gps(latitude: float, longitude: float, random: Random) -> dict[int, Any]:
    latitude, longitude = latitude + random.gauss(0, 0.02), longitude + random.gauss(0, 0.02)
    return {
        1: "N" if latitude >= 0 else "S",
        2: _sexagesimal(abs(latitude)),
        3: "E" if longitude >= 0 else "W",
        4: _sexagesimal(abs(longitude)),
    }


def _sexagesimal(degrees: float) -> tuple[float, float, float]:
    minutes = degrees % 1 * 60
    return (float(int(degrees)), float(int(minutes)), round(minutes % 1 * 60, 3))


def film(path: Path, seconds: int = 2) -> None:
    """A video that browsers play: H.264, the index in front."""
    import av

    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w", options={"movflags": "faststart"}) as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt, stream.time_base = 320, 240, "yuv420p", Fraction(1, 10)
        stream.options = {"preset": "ultrafast", "x264-params": "log-level=none"}
        for number in range(10 * seconds):
            frame = av.VideoFrame.from_image(landscape(number // 10, (320, 240)))
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    os.utime(path, (1_620_130_931, 1_620_130_931))


# The device ---------------------------------------------------------------------------------------------------------


class Home:
    """A device with photos and a vault; ``env`` is what its programs are started with."""

    def __init__(self, folder: Path) -> None:
        """Everything lies in ``folder``; nothing is made yet."""
        self.folder = folder
        self.album, self.vault, self.words = folder / "Pictures", folder / "vault", folder / "words.txt"
        self.state = folder / "device" / "state"
        self.password_file = put(folder / "password.txt", PASSWORD.encode())
        self.gone: dict[str, bytes] = {}
        self.env = self.environment(folder / "device")

    def environment(self, device: Path) -> dict[str, str]:
        """Of a device in that folder."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PHOTOVAULT_")}
        (device / "home").mkdir(parents=True, exist_ok=True)
        path = os.pathsep.join(filter(None, [str(_ROOT), os.environ.get("PYTHONPATH")]))
        return kept | {
            "PYTHONPATH": path,
            "HOME": str(device / "home"),
            "PHOTOVAULT_STATE_DIR": str(device / "state"),
            "PHOTOVAULT_CACHE_DIR": str(device / "cache"),
            "PHOTOVAULT_CONFIG": str(device / "config.toml"),
            "PHOTOVAULT_NO_KEYRING": "1",
            "PHOTOVAULT_VAULT": str(self.vault),
        }

    def run(self, *args: object, fine: Sequence[int] = (0,), **environ: str) -> dict[str, Any]:
        """Run a command to its end; its answer."""
        done = subprocess.run(
            [sys.executable, "-m", "photovault", *map(str, args), "--json"],
            env=self.env | environ,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode in fine, (args, done.returncode, done.stdout[-2000:], done.stderr[-2000:])
        return dict(json.loads(done.stdout.splitlines()[-1]))

    def init(self) -> None:
        """A vault that opens by a password, words, and this device; sources are configured."""
        self.album.mkdir(parents=True, exist_ok=True)
        where = ("--vault", self.vault, "--words-file", self.words, "--password-file", self.password_file)
        self.run("init", *where, "--source", self.album)

    def backup(self, time: str) -> dict[str, Any]:
        """A snapshot that says it is of that time, with every thumbnail."""
        return self.run("backup", "--all-thumbnails", "--time", time, fine=(0, 3))

    def moments(self) -> list[str]:
        """Ids of the snapshots, the newest first."""
        return [one["id"] for one in reversed(self.run("snapshots")["snapshots"])]

    def grow(self) -> Self:
        """Photos of fifteen years, and three snapshots between which some came, changed and went."""
        self.take()
        self.init()
        self.backup("2025-03-01T12:00:00Z")
        self.change()
        self.backup("2025-06-01T12:00:00Z")
        self.lose()
        self.backup("2025-09-01T12:00:00Z")
        return self

    def meet(self, *, threshold: float = 0.1) -> Self:
        """Photos of two people, backed up; somebody agreed to the grouping of faces, by a rule that leaves questions open."""
        from tests.support import faces

        faces.library(self.album, people=["biden", "hopper"], each=5)
        self.init()
        with Path(self.env["PHOTOVAULT_CONFIG"]).open("a") as config:
            config.write(f"[people]\nthreshold = {threshold}\n")
        self.backup("2025-03-01T12:00:00Z")
        notice = self.run("people", "notice")["notice"]["prefix"]
        self.run("people", "enable", "--scope", self.album, "--agree", "group faces", "--notice", notice)
        self.run("people", "scan")
        return self

    def take(self) -> None:
        """A hundred and sixty photos over sixteen years, and one of each odd kind."""
        towns = [*_TOWNS, ""]
        for number in range(160):
            year, month = 2009 + number // 10, (3, 5, 5, 5, 9)[number % 5]
            taken = f"{year}:{month:02}:{number % 27 + 1:02} 13:22:{number % 60:02}"
            size = (320, 480) if number % 7 == 3 else (480, 320)
            put(self.album / str(year) / f"IMG_{number:04}.jpg", photo(number, taken, towns[number % 5], size))
        self._odd()

    def _odd(self) -> None:
        from tests.decoder.pictures import dng
        from tests.support import faces

        odd = self.album / "odd"
        for number, name in enumerate(HOSTILE):
            put(odd / name, photo(100 + number, f"2023:07:{number + 1:02} 10:00:00"))
        put(odd / "RAW_1.jpg", photo(110, "2023:08:01 10:00:00"))
        put(odd / "RAW_1.dng", dng(64, 48, photo(110, "2023:08:01 10:00:00", size=(300, 200))))
        put(odd / "LIVE_1.jpg", photo(111, "2023:08:02 10:00:00"))
        film(odd / "LIVE_1.mov")
        film(odd / "film.mp4", 4)
        put(odd / "broken.jpg", photo(112, "2023:08:04 10:00:00")[:4000])
        put(odd / "turned.jpg", photo(113, "2023:08:05 10:00:00", turned=6))
        put(odd / "new format.heic", faces.heic(landscape(114, (320, 240))), 1_691_300_000.0)

    def change(self) -> None:
        """What is another in the second snapshot."""
        put(self.album / "2024" / "IMG_0156.jpg", photo(156, "2024:05:22 13:22:36", "Paris") + b"edited", 1_700_000_000)
        put(self.album / "2025" / "NEW_0001.jpg", photo(201, "2025:05:01 09:00:00", "Paris"))
        self._remove("2009/IMG_0000.jpg")

    def lose(self) -> None:
        """What is gone in the third one."""
        for name in ("2011/IMG_0021.jpg", "2011/IMG_0022.jpg"):
            self._remove(name)
        put(self.album / "2025" / "NEW_0002.jpg", photo(202, "2025:08:01 09:00:00", "Rome"))

    def _remove(self, name: str) -> None:
        self.gone[name] = (self.album / name).read_bytes()
        (self.album / name).unlink()


# The server ---------------------------------------------------------------------------------------------------------


class Gallery:
    """``photovault gallery --no-open --json``, from its start to the end of the ``with``."""

    def __init__(self, home: Home, *options: str, env: dict[str, str] | None = None) -> None:
        """Start it with ``env``, or the device's own."""
        self.home, self._used = home, False
        self.log = Path(tempfile.mkstemp(dir=home.folder, prefix="gallery-", suffix=".log")[1])
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "photovault", "gallery", "--no-open", "--json", *options],
                env=env or home.env,
                cwd=home.folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
            )

    def __enter__(self) -> Self:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, f"it ended with {self.process.wait(10)}: {self.said()}"
        self.link = str(json.loads(line)["url"])
        self.origin = "{0.scheme}://{0.netloc}".format(urlsplit(self.link))
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> int:
        """Ask it to end, as Ctrl-C does, and kill it if it does not; its exit code."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.process.kill()
        if self.process.stdout is not None:
            self.process.stdout.close()
        return self.process.wait()

    def said(self) -> str:
        """What it wrote to standard error."""
        return self.log.read_text(errors="replace")

    def connections(self) -> set[str]:
        """Addresses at both ends of all its sockets, and those of its children."""
        family = [psutil.Process(self.process.pid)]
        family += family[0].children(recursive=True)
        found = [one for process in family for one in process.net_connections("inet")]
        return {end.ip for one in found for end in (one.laddr, one.raddr) if end}


# The browser --------------------------------------------------------------------------------------------------------


class Browser:
    """A headless Chromium with a profile of its own, as Debian has it."""

    def __enter__(self) -> Self:
        program = needed("chromium")
        try:
            from playwright.sync_api import sync_playwright
        except ImportError:
            missing("playwright is not installed: pip install '.[test]'")
        self._playwright = sync_playwright().start()
        self._browser = self._playwright.chromium.launch(
            executable_path=program, args=[*_FLAGS, *["--no-sandbox"] * (os.geteuid() == 0)]
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._browser.close()
        self._playwright.stop()

    @contextmanager
    def visit(self, gallery: Gallery, **options: Any) -> Iterator[Visit]:
        """Pages of a browser that was let in by the one-time link; ``options``: of Playwright's ``new_context``."""
        size = {"width": options.pop("width", 1280), "height": options.pop("height", 800)}
        context = self._browser.new_context(viewport=size, accept_downloads=True, **options)
        visit = Visit(gallery, context)
        try:
            yield visit
            visit.check()
        finally:
            context.close()


class Visit:
    """Pages in one browser context, and all that they asked for."""

    def __init__(self, gallery: Gallery, context: BrowserContext) -> None:
        """Listen from the first page on."""
        self.gallery, self.context = gallery, context
        self.requests: list[str] = []
        self.wrong: list[str] = []
        self.fine: list[str] = []
        context.set_default_timeout(_MS)
        context.on("request", lambda request: self.requests.append(request.url))
        context.on("console", self._console)
        context.on("weberror", lambda error: self.wrong.append(f"script failed: {error.error}"))
        context.on("page", lambda page: page.on("dialog", self._dialog))
        context.add_init_script(
            "addEventListener('securitypolicyviolation', e => console.error('CSP', e.violatedDirective, e.blockedURI))"
        )
        self.page = context.new_page()

    def enter(self, path: str = "/") -> Page:
        """Come in by the link, and look at a path."""
        self.page.goto(self.gallery.link)
        self.page.wait_for_url(self.gallery.origin + "/")  # it goes on by itself
        return self.go(path) if path != "/" else self.page

    def go(self, path: str) -> Page:
        """Look at a path."""
        self.page.goto(self.gallery.origin + path)
        return self.page

    def expect(self, *texts: str) -> None:
        """What consoles may say with any of these texts is no mistake."""
        self.fine += texts

    def check(self) -> None:
        """Every request went to the gallery, and nothing went wrong."""
        strangers = [one for one in self.requests if not one.startswith((self.gallery.origin + "/", "about:", "blob:"))]
        assert not strangers, strangers
        assert not self.wrong, "\n".join(self.wrong)
        assert self.gallery.connections() <= {"127.0.0.1"}, self.gallery.connections()

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not any(text in message.text for text in self.fine):
            self.wrong.append(f"{message.page.url if message.page else ''}: {message.text}")

    def _dialog(self, dialog: Any) -> None:
        self.wrong.append(f"a dialog: {dialog.message}")
        dialog.dismiss()


def until(page: Page, holds: str, seconds: float = _MS / 1000) -> None:
    """Wait until a script says yes; asked from outside, since the page's policy forbids Playwright to ask again and again inside."""
    end = time.monotonic() + seconds
    while not _holds(page, holds):
        assert time.monotonic() < end, f"not in {seconds} s: {holds}\n{page.locator('body').inner_text()[:1500]}"
        page.wait_for_timeout(30)


def _holds(page: Page, holds: str) -> bool:
    from playwright.sync_api import Error

    try:
        return bool(page.evaluate(holds))
    except Error:  # the page is on its way to another one, or has not what the script looks at
        return False


def violations(page: Page) -> list[str]:
    """What axe-core finds serious or critical on a page, with the elements."""
    try:
        from axe_playwright_python.sync_playwright import Axe
    except ImportError:
        missing("axe-playwright-python is not installed: pip install '.[test]'")
    found = Axe().run(page).response["violations"]
    return [
        f"{one['id']} ({one['impact']}): {[node['html'][:200] for node in one['nodes'][:4]]}"
        for one in found
        if one["impact"] in ("serious", "critical")
    ]


def overflow(page: Page) -> int:
    """By how many pixels a page is wider than its window."""
    return int(page.evaluate("document.scrollingElement.scrollWidth - innerWidth"))


def weight(page: Page) -> int:
    """Bytes of a page, its styles, scripts and icons, uncompressed; without photos."""
    return int(page.evaluate(_WEIGHT))


_WEIGHT = """[...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')]
    .filter(one => !/\\/(thumb|preview|play|file|face)\\//.test(one.name))
    .reduce((sum, one) => sum + one.decodedBodySize, 0)"""
