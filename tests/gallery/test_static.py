"""What the gallery brings along: vendored as it was published, small, asking nobody else, and allowed by its own policy."""

from __future__ import annotations

import hashlib
import re
from importlib import resources

import pytest

from photovault.gallery.values import BADGES

PACKAGE = resources.files("photovault.gallery")
STATIC, TEMPLATES = PACKAGE / "static", PACKAGE / "templates"
OWN = sorted(
    one.name for one in STATIC.iterdir() if one.name.endswith((".css", ".js", ".svg")) and one.name != "htmx.min.js"
)
PAGES = sorted(one.name for one in TEMPLATES.iterdir() if one.name.endswith(".html"))


def text_of(folder, name):
    return (folder / name).read_text(encoding="utf-8")


def test_htmx_is_what_its_licence_says():
    data = (STATIC / "htmx.min.js").read_bytes()
    licence = text_of(STATIC, "htmx.LICENSE.txt")
    assert f"SHA-256 of htmx.min.js: {hashlib.sha256(data).hexdigest()}" in licence
    version = re.search(r"htmx\.org (\d+\.\d+\.\d+)", licence)[1]
    assert f'version:"{version}"'.encode() in data
    assert "Zero-Clause BSD" in licence


@pytest.mark.parametrize("name", OWN)
def test_our_own_files_name_no_other_host(name):
    addresses = set(re.findall(r"(?:https?:|wss?:|[\"'(]//)[^\s\"')]*", text_of(STATIC, name)))
    assert addresses <= {"http://www.w3.org/2000/svg"}


@pytest.mark.parametrize("name", PAGES)
def test_templates_hold_nothing_that_the_policy_refuses(name):
    text = text_of(TEMPLATES, name)
    assert not re.search(
        r"<style|\sstyle=|\son[a-z]+=|hx-on|javascript:|data:image|https?://|<script(?![^>]*\ssrc=)", text
    )
    assert not re.search(r"hx-(vals|headers|vars)=[\"']js:|hx-trigger=\"[^\"]*\[", text)  # htmx would evaluate these


@pytest.mark.parametrize("name", PAGES)
def test_templates_switch_no_escaping_off(name):
    assert not re.search(r"\|\s*safe\b|autoescape", text_of(TEMPLATES, name))


@pytest.mark.parametrize("name", ["style.css", "gallery.js", "base.html", "macros.html", "timeline.html", "icons.svg"])
def test_what_everybody_gets_says_nothing_of_faces(name):
    text = text_of(TEMPLATES if name.endswith(".html") else STATIC, name)
    text = text.replace('([("/people", "People")] if people_enabled else [])', "").replace("people_enabled", "")
    assert not re.search(r"\bfaces?\b|\bpeople\b|\bpersons?\b", text, re.IGNORECASE)


def test_every_icon_that_is_asked_for_is_there():
    known = set(re.findall(r'<symbol id="([a-z]+)"', text_of(STATIC, "icons.svg")))
    asked = {name for page in PAGES for name in re.findall(r'icon\("([a-z]+)"\)', text_of(TEMPLATES, page))}
    assert asked | set(BADGES) <= known


def test_every_shape_of_a_tile_has_its_rule():
    style = text_of(STATIC, "style.css")
    for per_cent in range(40, 325, 5):
        assert f".r{per_cent}{{--a:{per_cent / 100:g}}}" in style


def test_what_every_page_loads_stays_small():
    sizes = {
        name: len((STATIC / name).read_bytes()) for name in ("style.css", "gallery.js", "htmx.min.js", "icons.svg")
    }
    assert sum(sizes.values()) < 130_000
