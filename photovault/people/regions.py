"""Faces in XMP, as other programs write and read them: names and boxes, nothing else.

Written and read: regions of the Metadata Working Group (Guidelines for Handling Image Metadata 2.0, section 5.9: ``mwg-rs``), as
digiKam, Lightroom and Picasa do; read as well: Microsoft's people tags (``MP:RegionInfo``).  Regions lie in the picture as it is
stored, before Exif turns it.  Some programs mean the picture as it is shown: where the dimensions that they give are those of
the upright picture and not of the stored one, they are believed.  Regions made for a picture of another shape are not
used: it was cropped since.

The XML is anybody's.  The parser is expat; a DOCTYPE ends the reading, so there are no entities to expand and no files to
fetch; so do more than 20,000 elements, 64 levels or 64 KiB of wanted text.  Pure, and never an error: what was read
until then counts.
"""

from __future__ import annotations

import math
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NamedTuple
from xml.parsers import expat

from photovault.people.values import FACES_MAX, Box

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MAX: Final = 1024 * 1024
"""Bytes of a sidecar that are read."""
OURS: Final = b'x:xmptk="photovault"'
"""What is in a sidecar that photovault wrote."""
ANOTHER_SHAPE: Final = "its regions were made for a picture of another shape"

_MWG = "http://www.metadataworkinggroup.com/schemas/regions/"
_DIM = "http://ns.adobe.com/xap/1.0/sType/Dimensions#"
_AREA = "http://ns.adobe.com/xmp/sType/Area#"
_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_MPRI = "http://ns.microsoft.com/photo/1.2/t/RegionInfo#"
_MPREG = "http://ns.microsoft.com/photo/1.2/t/Region#"
_TIFF = "http://ns.adobe.com/tiff/1.0/"
_ITEM = f"{_RDF} li"
_LISTS = frozenset((f"{_MWG} RegionList", f"{_MPRI} Regions"))
_APPLIED = f"{_MWG} AppliedToDimensions"
_SIZE = {f"{_DIM} w": "w", f"{_DIM} h": "h"}
_OF_REGION = {
    f"{_MWG} Name": "name",
    f"{_MWG} Type": "type",
    f"{_AREA} x": "x",
    f"{_AREA} y": "y",
    f"{_AREA} w": "w",
    f"{_AREA} h": "h",
    f"{_AREA} unit": "unit",
    f"{_MPREG} PersonDisplayName": "name",
    f"{_MPREG} Rectangle": "rectangle",
}
_ORIENTATION = f"{_TIFF} Orientation"
_MAX_ELEMENTS, _MAX_DEPTH, _MAX_TEXT = 20_000, 64, 64 * 1024
_TURNED = 5  # from this orientation on, width and height change places
_SHAPE = 0.02  # how much the shapes of two pictures may differ, relatively
_TURNS = {  # by Exif's orientation: whether x and y change places, then which of them runs the other way
    2: (False, True, False),
    3: (False, True, True),
    4: (False, False, True),
    5: (True, False, False),
    6: (True, True, False),
    7: (True, True, True),
    8: (True, False, True),
}
_SAME = 0.8  # overlap of two boxes with one name that are one region
_BACK = {6: 8, 8: 6}  # what turns an orientation back; all others do so themselves


class Sidecar(NamedTuple):
    """What a sidecar says: boxes with names, as it counts them; of a picture of which size; turned how, 0 if it does not say."""

    regions: tuple[tuple[str, Box], ...] = ()
    size: tuple[float, float] | None = None
    orientation: int = 0


def read(data: bytes) -> Sidecar:
    """The named faces of a sidecar; of what is broken, those before the break."""
    reading = _Reading()
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = reading.refuse
    parser.StartElementHandler = reading.start
    parser.EndElementHandler = reading.end
    parser.CharacterDataHandler = reading.characters
    with suppress(expat.ExpatError, _Enough, LookupError, ValueError):  # the last two: an encoding that nobody has
        parser.Parse(data[:MAX].strip(b"\0 \t\r\n"), True)  # noqa: FBT003 - expat has no name for it
    return reading.found()


class _Enough(Exception):  # noqa: N818 - no error: what was read until then counts
    """A bound is reached, or something that XMP must not have."""


class _Reading:
    """The state of one reading: where in the XML we are, and what is found so far."""

    __slots__ = ("_elements", "_listed", "_orientation", "_path", "_regions", "_size", "_text", "_text_left")

    def __init__(self) -> None:
        self._path: list[str] = []
        self._listed = 0  # how deep the list is whose items are regions; 0 outside of one
        self._regions: list[dict[str, str]] = []
        self._size: dict[str, str] = {}
        self._orientation = ""
        self._text: list[str] = []
        self._elements, self._text_left = _MAX_ELEMENTS, _MAX_TEXT

    def refuse(self, *_: object) -> None:
        raise _Enough

    def start(self, element: str, attributes: Mapping[str, str]) -> None:
        self._elements -= 1
        if self._elements < 0 or len(self._path) >= _MAX_DEPTH:
            raise _Enough
        self._path.append(element)
        self._text = []
        if element in _LISTS and not self._listed:
            self._listed = len(self._path)
        elif element == _ITEM and self._listed:
            self._begin_region()
        for name, value in attributes.items():
            self._keep(name, value)

    def end(self, element: str) -> None:
        self._keep(element, "".join(self._text))
        self._text = []
        if len(self._path) == self._listed:
            self._listed = 0
        self._path.pop()

    def characters(self, data: str) -> None:
        self._text_left -= len(data)
        if self._text_left < 0:
            raise _Enough
        self._text.append(data)

    def _begin_region(self) -> None:
        if len(self._regions) >= FACES_MAX:
            raise _Enough
        self._regions.append({})

    def _keep(self, name: str, value: str) -> None:
        value = value.strip()
        if not value:
            return
        if self._listed:
            if name in _OF_REGION and self._regions:
                self._regions[-1].setdefault(_OF_REGION[name], value)
        elif name in _SIZE and _APPLIED in self._path:
            self._size.setdefault(_SIZE[name], value)
        elif name == _ORIENTATION:
            self._orientation = self._orientation or value

    def found(self) -> Sidecar:
        wide, high = _number(self._size.get("w")), _number(self._size.get("h"))
        size = (wide, high) if wide and high and wide > 0 and high > 0 else None
        boxes = ((region.get("name", ""), _box(region, size)) for region in self._regions)
        named: list[tuple[str, Box]] = []
        for name, box in boxes:
            if name and box is not None and not _is_told(name, box, named):
                named.append((name, box))
        turned = int(self._orientation) if self._orientation in {"1", "2", "3", "4", "5", "6", "7", "8"} else 0
        return Sidecar(tuple(named), size, turned)


def _is_told(name: str, box: Box, named: Sequence[tuple[str, Box]]) -> bool:
    """Whether it is there already: digiKam writes each face in both ways."""
    return any(name == other and box.overlap(there) > _SAME for other, there in named)


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _box(region: Mapping[str, str], size: tuple[float, float] | None) -> Box | None:
    """The box of a face, as fractions; of MWG's, x and y are its middle."""
    if region.get("type", "Face").casefold() != "face":
        return None
    if "rectangle" in region:
        parts = [_number(part) for part in region["rectangle"].split(",", 4)]
        return _inside(*parts) if len(parts) == len(Box._fields) else None
    x, y, w, h = (_number(region.get(key)) for key in ("x", "y", "w", "h"))
    if x is None or y is None or w is None or h is None:
        return None  # a point or a circle
    if region.get("unit", "normalized") == "pixel":
        if size is None:
            return None
        x, y, w, h = x / size[0], y / size[1], w / size[0], h / size[1]
    return _inside(x - w / 2, y - h / 2, w, h)


def _inside(x: float | None, y: float | None, w: float | None, h: float | None) -> Box | None:
    """The part of a box that is in the picture."""
    if x is None or y is None or w is None or h is None:
        return None
    left, top = max(0.0, x), max(0.0, y)
    box = Box(left, top, min(1.0, x + w) - left, min(1.0, y + h) - top)
    return box if box.w > 0 and box.h > 0 else None


# Turning ------------------------------------------------------------------------------------------------------------


def turned(box: Box, orientation: int) -> Box:
    """Where a box of the stored picture is when Exif's ``orientation`` has made it upright."""
    x, y, w, h = box
    swapped, from_right, from_below = _TURNS.get(orientation, (False, False, False))
    if swapped:
        x, y, w, h = y, x, h, w
    return Box(1 - x - w if from_right else x, 1 - y - h if from_below else y, w, h)


def upright(sidecar: Sidecar, width: int, height: int, orientation: int) -> list[tuple[str, Box]] | None:
    """The regions in the upright picture; None if they were made for a picture of another shape.

    Args:
        sidecar: as it was read.
        width: of the picture, upright.
        height: as ``width``.
        orientation: by which the stored picture is turned, unless the sidecar says another.
    """
    orientation = sidecar.orientation or orientation
    stored = (height, width) if orientation >= _TURNED else (width, height)
    if sidecar.size is not None and not _same_shape(sidecar.size, stored):
        if not _same_shape(sidecar.size, (width, height)):
            return None
        orientation = 1
    return [(name, turned(box, orientation)) for name, box in sidecar.regions]


def _same_shape(one: tuple[float, float], other: tuple[float, float]) -> bool:
    left, right = one[0] * other[1], one[1] * other[0]
    return abs(left - right) <= _SHAPE * max(left, right)


# Writing ------------------------------------------------------------------------------------------------------------


def write(faces: Sequence[tuple[str, Box]], width: int, height: int, orientation: int) -> bytes:
    """A sidecar with named faces, whose boxes are in the upright picture of that size."""
    wide, high = (height, width) if orientation >= _TURNED else (width, height)
    back = _BACK.get(orientation, orientation)
    items = "".join(_item(name, turned(box, back)) for name, box in faces)
    return _SIDECAR.format(rdf=_RDF, mwg=_MWG, dim=_DIM, area=_AREA, w=wide, h=high, items=items).encode()


_SIDECAR = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="photovault">
 <rdf:RDF xmlns:rdf="{rdf}">
  <rdf:Description rdf:about="" xmlns:mwg-rs="{mwg}" xmlns:stDim="{dim}" xmlns:stArea="{area}">
   <mwg-rs:Regions rdf:parseType="Resource">
    <mwg-rs:AppliedToDimensions stDim:w="{w}" stDim:h="{h}" stDim:unit="pixel"/>
    <mwg-rs:RegionList>
     <rdf:Bag>
{items}     </rdf:Bag>
    </mwg-rs:RegionList>
   </mwg-rs:Regions>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="w"?>
"""
_ITEM_TEXT = """      <rdf:li>
       <rdf:Description mwg-rs:Name="{name}" mwg-rs:Type="Face">
        <mwg-rs:Area stArea:x="{x:.6f}" stArea:y="{y:.6f}" stArea:w="{w:.6f}" stArea:h="{h:.6f}" stArea:unit="normalized"/>
       </rdf:Description>
      </rdf:li>
"""


def _item(name: str, box: Box) -> str:
    return _ITEM_TEXT.format(name=_escaped(name), x=box.x + box.w / 2, y=box.y + box.h / 2, w=box.w, h=box.h)


def _escaped(text: str) -> str:
    for sign, code in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;")):
        text = text.replace(sign, code)
    return text
