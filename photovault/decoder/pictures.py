"""Decoding a picture as far as it is needed: the one place that knows image libraries.

The kind that the file's content says chooses the decoder, and each decoder is told that it is this kind and no other:

- JPEG, PNG, WebP, TIFF, GIF, BMP, AVIF by Pillow; of a JPEG only about as many pixels as are needed are computed.
- HEIC by pi-heif.  JPEG XL by imagecodecs, if it is installed.
- RAW: the JPEG that the camera put in (``previews``); where there is none that is large enough, rawpy, if it is installed.
- MP4 and MOV by PyAV, if it is installed: the frame at one second.

Guarantee: the size is looked at before pixels are computed, only the first picture of several is decoded, and no library
opens a file by itself.  ``BrokenError`` means that the file says it is a picture and does not decode; that a library knows
no such variant, or is not there, is ``CannotError``.  Not guaranteed: that libraries tell these apart as well as one would.
"""

from __future__ import annotations

import io
import struct
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from PIL import Image, ImageFile, UnidentifiedImageError

from photovault.decoder import previews
from photovault.decoder.protocol import NO_MEMORY
from photovault.decoder.thumbnails import Decoded, orientation_of
from photovault.facts import RAW_KINDS
from photovault.photos.window import Unclear, Window

if TYPE_CHECKING:
    from photovault.facts import Facts
    from photovault.photos.window import Reader

Image.MAX_IMAGE_PIXELS = None  # pixels are counted here, and too many are no warning
ImageFile.LOAD_TRUNCATED_IMAGES = False

_PILLOW: Final = {kind: kind.upper() for kind in ("jpeg", "png", "webp", "tiff", "gif", "bmp", "avif")}
_ENDS_EARLY: Final = "it ends before its picture does"
_DOES_NOT_DECODE: Final = "its picture does not decode"
_BUFFER: Final = 1 << 18
_LARGE = 50_000_000  # pixels; when such a picture fails, it may only be for want of memory, whatever a library says
_UNKNOWN: Final = "the decoder does not know this variant"
_PREVIEW = (
    1024  # pixels; a preview of so many is good enough, whatever was asked for: developing a RAW file costs seconds
)
_SAME_SHAPE = 0.02  # a camera's preview lacks some rows or columns at the edges
_VIDEO_AT = 1.0  # seconds
_VIDEO_CPU = 4.0  # seconds of decoding, after which the last frame is good enough
_LIBRARY_ERRORS: Final = (
    *(OSError, SyntaxError, ValueError, TypeError, EOFError, RuntimeError, LookupError, ArithmeticError),
    *(AttributeError, struct.error, NotImplementedError),
)


class BrokenError(Exception):
    """The file's picture does not decode; the message says why."""


class CannotError(Exception):
    """There will be no thumbnail, and that says nothing against the file; the message says why.

    ``lacks``: the extra that would make one; empty when none would.
    """

    def __init__(self, why: str, *, lacks: str = "") -> None:
        """Keep both."""
        super().__init__(why)
        self.lacks = lacks


def _lacking(extra: str) -> CannotError:
    return CannotError(f"photovault[{extra}] is not installed", lacks=extra)


def picture(read_at: Reader, size: int, facts: Facts, pixels: int, edge: int) -> Decoded:
    """The picture of a file of ``size`` bytes.

    Args:
        read_at: reads the file.
        size: its bytes.
        facts: what is known of it.
        pixels: larger ones are not decoded.
        edge: it will be made as small as this, each way; a decoder that can make it small cheaply does, to no less than
            15/16 of it.

    Raises:
        BrokenError, CannotError: there is none.
        MemoryError: there is not enough.
    """
    kind = facts.kind
    if kind in _PILLOW:
        return _by_pillow(_opened(read_at, 0, size), kind, pixels, edge)
    if kind == "heic":
        return _by_heif(_opened(read_at, 0, size), pixels)
    if kind in RAW_KINDS:
        return _of_raw(read_at, size, facts, pixels, edge)
    if kind == "jxl":
        return _by_imagecodecs(read_at, size, facts, pixels)
    if kind in {"mp4", "mov"}:
        return _of_video(_opened(read_at, 0, size), pixels, edge)
    raise CannotError("")  # no picture: nothing that anybody misses


class _Part(io.RawIOBase):
    """The bytes of a file from ``start`` to ``stop``, as a file."""

    def __init__(self, read_at: Reader, start: int, stop: int) -> None:
        super().__init__()
        self._read_at, self._start, self._size, self._at = read_at, start, stop - start, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise OSError
        self._at = base + offset
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 - as io.RawIOBase has it
        length = min(len(buffer), max(0, self._size - self._at))
        data = self._read_at(self._start + self._at, length) if length else b""
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)


def _opened(read_at: Reader, start: int, stop: int) -> io.BufferedReader:
    return io.BufferedReader(_Part(read_at, start, stop), _BUFFER)


def _reader(data: bytes) -> Reader:
    return lambda offset, length: data[offset : offset + length]


def _checked(width: int, height: int, pixels: int) -> None:
    if width * height > pixels:
        raise CannotError("it has too many pixels")


# Pillow -------------------------------------------------------------------------------------------------------------


def _by_pillow(file: BinaryIO, kind: str, pixels: int, edge: int) -> Decoded:
    try:
        image = Image.open(file, formats=(_PILLOW[kind],))
    except _LIBRARY_ERRORS as problem:
        raise _unopened(file, kind, problem) from problem
    full = image.size
    _checked(*full, pixels)
    try:
        image.draft("RGB", _least(full, edge))  # JPEG only: an eighth, a quarter or half of the pixels each way
        image.load()
    except _LIBRARY_ERRORS as problem:
        raise _broken(problem, image.width * image.height) from problem
    return Decoded(image, orientation_of(image), _profile(image), full)


def _least(size: tuple[int, int], edge: int) -> tuple[int, int]:
    """Pixels that are enough: 4,000 are made 500 by an eighth, which takes two thirds of the time that 512 exactly would."""
    ratio = max(size) * 16 / (edge * 15)
    return max(1, int(size[0] / ratio)), max(1, int(size[1] / ratio))


def _unopened(file: BinaryIO, kind: str, problem: Exception) -> Exception:
    """Why not even the header is understood: for TIFF and 12-bit or lossless JPEG that the library lacks it, else damage."""
    if kind == "tiff" or "too large" in str(problem):  # the latter: compressed text that would fill the memory
        return CannotError(_UNKNOWN)
    if kind == "jpeg":
        with suppress(Unclear):
            data = _beginning(file)
            if not previews.frame_of(Window(_reader(data), len(data))).ordinary:
                return CannotError(_UNKNOWN)
    return _broken(problem)


def _beginning(file: BinaryIO) -> bytes:
    file.seek(0)
    return file.read(1 << 20)


def _broken(problem: Exception, pixels: int = 0) -> BrokenError | CannotError:
    """In words of ours: a library's may differ from version to version, and this is kept in the vault."""
    text = str(problem).lower()
    if "memory" in text or "limit" in text or pixels > _LARGE:
        return CannotError(NO_MEMORY)
    early = isinstance(problem, EOFError) or (
        isinstance(problem, OSError) and not isinstance(problem, UnidentifiedImageError) and "truncated" in text
    )
    return BrokenError(_ENDS_EARLY if early else _DOES_NOT_DECODE)


def _profile(image: Image.Image) -> bytes:
    found = image.info.get("icc_profile")
    return found if isinstance(found, bytes) else b""


# HEIC ---------------------------------------------------------------------------------------------------------------


def _by_heif(file: BinaryIO, pixels: int) -> Decoded:
    import pi_heif

    pi_heif.options.DECODE_THREADS = 0  # one picture a core; the library starts one thread even so
    count = 0
    try:
        found = pi_heif.open_heif(file)
        width, height = found.size
        _checked(width, height, pixels)
        count = width * height
        image = found.to_pillow()
    except _LIBRARY_ERRORS as problem:
        if isinstance(problem, SyntaxError) or "nsupported" in str(problem):
            raise CannotError(_UNKNOWN) from problem
        raise _broken(problem, count) from problem
    return Decoded(image, profile=_profile(image))  # libheif has turned it


# JPEG XL ------------------------------------------------------------------------------------------------------------


def _by_imagecodecs(read_at: Reader, size: int, facts: Facts, pixels: int) -> Decoded:
    try:
        import imagecodecs
    except ImportError as problem:
        raise _lacking("jxl") from problem
    _checked(facts.width or 0, facts.height or 0, pixels)
    try:
        found = imagecodecs.jpegxl_decode(read_at(0, size), numthreads=1)
        while found.ndim > 3 or (found.ndim == 3 and found.shape[2] not in {2, 3, 4}):  # noqa: PLR2004 - frames first
            found = found[0]
        if found.dtype.kind == "f":
            found = (found.clip(0, 1) * 255).astype("uint8")
        elif found.dtype.itemsize > 1:
            found = (found >> 8).astype("uint8")
        return Decoded(Image.fromarray(found))
    except _LIBRARY_ERRORS as problem:
        raise _broken(problem, (facts.width or 0) * (facts.height or 0)) from problem


# RAW ----------------------------------------------------------------------------------------------------------------


def _of_raw(read_at: Reader, size: int, facts: Facts, pixels: int, edge: int) -> Decoded:
    preview = previews.best(read_at, size, edge)
    if preview is not None and max(preview.width, preview.height) >= min(edge, _PREVIEW):
        with suppress(BrokenError):
            return _of_preview(_opened(read_at, preview.start, preview.stop), facts, pixels, edge)
    try:
        return _by_rawpy(_opened(read_at, 0, size), facts, pixels, edge)
    except CannotError as problem:
        if preview is None:
            raise CannotError("no preview in it, and no decoder that knows it", lacks=problem.lacks) from problem
    return _of_preview(_opened(read_at, preview.start, preview.stop), facts, pixels, edge)


def _of_preview(file: BinaryIO, facts: Facts, pixels: int, edge: int) -> Decoded:
    """A preview says seldom how it must be turned; then it is as the whole file."""
    found = _by_pillow(file, "jpeg", pixels, edge)
    found = found._replace(full=_whole(facts, found.full))
    return found if found.orientation != 1 else found._replace(orientation=facts.orientation or 1)


def _whole(facts: Facts, preview: tuple[int, int]) -> tuple[int, int]:
    """The size of the whole picture, if the preview shows all of it; else of what it shows."""
    width, height = facts.width or 0, facts.height or 0
    wide, high = preview
    same = width >= wide and height >= high and abs(width * high - height * wide) <= _SAME_SHAPE * width * high
    return (width, height) if same else preview


def _by_rawpy(file: BinaryIO, facts: Facts, pixels: int, edge: int) -> Decoded:
    """The preview that only LibRaw finds, or the picture developed at half size, which LibRaw turns itself."""
    try:
        import rawpy
    except ImportError as problem:
        raise _lacking("raw") from problem
    try:
        with rawpy.imread(file) as raw:
            _checked(raw.sizes.width, raw.sizes.height, pixels)
            preview = _thumb(raw, min(edge, _PREVIEW))
            if preview:
                with suppress(BrokenError):
                    return _of_preview(io.BytesIO(preview), facts, pixels, edge)
            image = Image.fromarray(raw.postprocess(half_size=True, use_camera_wb=True, output_bps=8))
            return Decoded(image, full=(2 * image.width, 2 * image.height))
    except (*_LIBRARY_ERRORS, rawpy.LibRawError) as problem:
        raise CannotError(_UNKNOWN) from problem


def _thumb(raw: Any, least: int) -> bytes:  # noqa: ANN401 - rawpy has no types
    """The JPEG of a RAW file, if it is at least ``least`` pixels wide or high."""
    import rawpy

    try:
        found = raw.extract_thumb()
    except rawpy.LibRawError:
        return b""
    if found.format != rawpy.ThumbFormat.JPEG:
        return b""
    with suppress(Unclear):
        header = previews.frame_of(Window(_reader(found.data), len(found.data)))
        return bytes(found.data) if max(header.width, header.height) >= least else b""
    return b""


# Video --------------------------------------------------------------------------------------------------------------


def _of_video(file: BinaryIO, pixels: int, edge: int) -> Decoded:
    try:
        import av
    except ImportError as problem:
        raise _lacking("video") from problem
    try:
        # The format is given: others may name files and addresses to open.
        with av.open(file, format="mov", metadata_errors="ignore") as container:
            if not container.streams.video:
                raise CannotError("no video in it")
            stream = container.streams.video[0]
            stream.codec_context.thread_count = 1
            _checked(stream.codec_context.width, stream.codec_context.height, pixels)
            return _frame(container, stream, edge)
    except (EOFError, av.error.InvalidDataError) as problem:
        raise _broken(problem) from problem
    except (*_LIBRARY_ERRORS, av.error.FFmpegError) as problem:
        raise CannotError(_UNKNOWN) from problem


def _frame(container: Any, stream: Any, edge: int) -> Decoded:  # noqa: ANN401 - only known when PyAV is installed
    """The frame at one second, or the last one before the time is up or the video ends."""
    with suppress(*_LIBRARY_ERRORS):
        container.seek(int(_VIDEO_AT * 1_000_000))  # back to the key frame before it
    until, last = time.process_time() + _VIDEO_CPU, None
    for last in container.decode(stream):
        if (last.time or 0) >= _VIDEO_AT or time.process_time() > until:
            break
    if last is None:
        raise EOFError
    ratio = max(1, max(last.width, last.height) / edge)
    small = last.reformat(max(1, round(last.width / ratio)), max(1, round(last.height / ratio)), format="rgb24")
    image = small.to_image()
    turn = getattr(last, "rotation", 0)
    return Decoded(image.rotate(turn, expand=True) if turn else image)
