"""XMP: what programs write, in any of RDF's ways; and XML that is made to harm."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from photovault.photos.claims import xmp as reader
from tests.support.formats import facts, jpeg, segment, xmp, xmp_segment


def of(packet: bytes):
    return facts(jpeg(xmp_segment(packet)))


ATTRIBUTES = 'xmp:Rating="4" tiff:Make="Canon" tiff:Model="EOS" aux:Lens="50mm" tiff:Orientation="8"'
ELEMENTS = (
    "<xmp:Rating>4</xmp:Rating><tiff:Make>Canon</tiff:Make><tiff:Model> EOS </tiff:Model>"
    "<aux:Lens>50mm</aux:Lens><tiff:Orientation>8</tiff:Orientation>"
)


@pytest.mark.parametrize("packet", [xmp(ATTRIBUTES), xmp("", ELEMENTS)])
def test_properties_as_attributes_and_as_elements(packet):
    found = of(packet)
    assert (found.rating, found.make, found.model, found.lens, found.orientation) == (4, "Canon", "EOS", "50mm", 8)


def test_lists():
    packet = xmp(
        "",
        "<dc:title><rdf:Alt><rdf:li xml:lang='x-default'>Sea &amp; sun</rdf:li><rdf:li xml:lang='de'>Meer</rdf:li></rdf:Alt>"
        "</dc:title><dc:description><rdf:Alt><rdf:li>By the\nsea</rdf:li></rdf:Alt></dc:description>"
        "<dc:subject><rdf:Bag><rdf:li>sun</rdf:li><rdf:li>sea</rdf:li><rdf:li>sun</rdf:li><rdf:li/></rdf:Bag></dc:subject>",
    )
    found = of(packet)
    assert (found.title, found.description, found.keywords) == ("Sea & sun", "By the sea", ("sea", "sun"))


def test_prefixes_of_its_own_and_those_that_it_forgets_to_declare():
    own = b'<r:RDF xmlns:r="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><r:Description xmlns:q="http://ns.adobe.com/xap/1.0/" q:Rating="3"/></r:RDF>'
    assert of(own).rating == 3
    assert of(b'<x xap:Rating="2"/>').rating == 2
    assert of(b'<x xmlns:xmp="http://example.com/" xmp:Rating="2"/>').rating is None


def test_what_speaks_of_something_else_is_not_the_photos():
    inner = '<xmpMM:Pantry><rdf:Bag><rdf:li><rdf:Description xmp:Rating="1" xmp:CreateDate="1999-01-01"/></rdf:li></rdf:Bag></xmpMM:Pantry>'
    found = of(xmp("", inner + "<xmp:Rating>5</xmp:Rating>"))
    assert (found.rating, found.taken) == (5, None)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("5", 5),
        ("-1", -1),
        ("3.0", 3),
        ("0", 0),
        ("6", None),
        ("99999999999999999999", None),
        ("nan", None),
        ("1/0", None),
    ],
)
def test_ratings(text, expected):
    assert of(xmp(f'xmp:Rating="{text}"')).rating == expected


@pytest.mark.parametrize(
    ("latitude", "longitude", "expected"),
    [
        ("52,30.5N", "13,24.25E", (525083333, 134041667)),
        ("33,51,31S", "70,30,0W", (-338586111, -705000000)),
        ("91,0N", "13,0E", (None, None)),
        ("52,30.5E", "13,24.25N", (None, None)),
        ("0,0N", "0,0E", (None, None)),
        ("here", "there", (None, None)),
    ],
)
def test_places(latitude, longitude, expected):
    found = of(xmp(f'exif:GPSLatitude="{latitude}" exif:GPSLongitude="{longitude}" exif:GPSAltitude="341/10"'))
    assert (found.latitude, found.longitude) == expected
    assert found.altitude == (34100 if expected[0] else None)


def test_the_rest_of_a_long_xmp():
    digest = "0123456789ABCDEF0123456789ABCDEF"
    more = xmp("", "<dc:subject><rdf:Bag><rdf:li>far</rdf:li></rdf:Bag></dc:subject>")

    def piece(offset: int, data: bytes, name: str = digest) -> bytes:
        header = name.encode() + len(more).to_bytes(4, "big") + offset.to_bytes(4, "big")
        return segment(0xE1, b"http://ns.adobe.com/xmp/extension/\0" + header + data)

    first = xmp_segment(xmp(f'xmpNote:HasExtendedXMP="{digest}" xmp:Rating="1"'))
    found = facts(jpeg(first, piece(100, more[100:]), piece(0, more[:100]), piece(0, b"<x", "F" * 32)))
    assert (found.keywords, found.rating) == (("far",), 1)
    assert facts(jpeg(xmp_segment(xmp()), piece(0, more))).keywords == ()


# Harm ---------------------------------------------------------------------------------------------------------------

LAUGHS = b"<!DOCTYPE x [<!ENTITY a 'ha'>" + b"".join(
    b"<!ENTITY %c '%s'>" % (98 + n, b"&%c;" % (97 + n) * 10) for n in range(9)
)


@pytest.mark.parametrize(
    "packet",
    [
        LAUGHS + b']><x xmp:Rating="3">&j;</x>',
        b'<!DOCTYPE x SYSTEM "file:///etc/passwd"><x xmp:Rating="3"/>',
        b"<a>" * 20_000 + b'<x xmp:Rating="3"/>',
        b"<x>" + b"<a/>" * 15_000 + b"</x>",
    ],
)
def test_what_xmp_must_not_have_ends_the_reading(packet):
    began = time.process_time()
    assert reader.read(packet).values == {}
    assert time.process_time() - began < 1


def test_too_many_elements_end_the_reading_but_keep_what_was_read():
    packet = b'<x xmp:Rating="3"/>'.replace(b"/>", b">") + b"<a/>" * 30_000 + b"<tiff:Make>Canon</tiff:Make></x>"
    assert reader.read(packet).values == {"xmp:Rating": ["3"]}


def test_xml_that_breaks_off_keeps_what_was_read():
    assert of(xmp('xmp:Rating="3"')[:-30]).rating == 3
    assert of(b'<x xmp:Rating="3">\xff\xfe').rating == 3


def test_utf_16_and_an_encoding_that_it_claims():
    text = '<?xml version="1.0" encoding="{}"?><x xmp:Rating="3" tiff:Make="Gr\u00fcn"/>'
    assert of(text.format("utf-16").encode("utf-16")).make == "Gr\u00fcn"
    assert of(text.format("punycode").encode()).make == "Gr\u00fcn"


@given(st.binary(max_size=200) | st.text(alphabet="<>/=\"'& ax:li?!-[]", max_size=80).map(str.encode))
def test_any_bytes_give_a_packet(data):
    reader.claims(reader.read(data))
    reader.claims(reader.read(xmp()[:-100] + data))
