#!/usr/bin/env python3
"""Open every object of a photovault vault and account for every byte of it: an audit by somebody else.

    python tools/audit_vault.py VAULT --words-file FILE      or --password-file FILE, or it asks for the password

VAULT is a folder with all objects of the vault (of a remote storage, a copy made by any other program). Nothing in it is
changed. This program is written from docs/format.md alone; it needs Python 3.11 and `cryptography`, and imports nothing
of photovault. Photos that are stored as JPEG XL it decodes with `imagecodecs` or the program djxl; without either, it
counts their bytes as not accounted for.

1. Every file and folder below VAULT must have a name that the format knows.
2. The secret opens a key slot, the slot the root keys. Every slot and vault.json must have the MAC of a root.
3. Every pack, index, snapshot, retention record and parity object is opened, every region of it, so that each byte is either derived from what is inside
   (salt, commitment, tags, zeros of the padding) or a byte of a part. A part must be what its id says; a zlib stream
   must be the one that zlib itself makes of its contents; a JPEG XL file must hold no boxes but those of a packed JPEG,
   and a thumbnail no chunks of WebP but those of a picture. Parity is computed again from the packs that it protects.
4. From each snapshot down, every listing field must be one that the format names, every file have its size and SHA-256.
   What a JPEG has beside the parts that it was made of must stand in a file before these parts.
   Whatever part no snapshot leads to is named, unless retention records say that snapshots were forgotten (counted); and so is an index that describes a pack otherwise than the pack does.

Guarantee: with exit code 0 the vault holds files, their listings, and nothing else but the fields counted in the table.
Not guaranteed: that nothing was taken away (`photovault check` looks for that); that no message hides in what the
format leaves to the writer: random numbers (counted), the order of parts and packs, the ends of pages, times of change,
how JPEG XL and WebP are compressed, that a thumbnail and facts are those of their photo (counted),
and the words of texts (those of snapshots and slots are shown in full; names of files and attributes are counted).

Memory grows with the number of parts (about 500 bytes each), not with their size.
Exit codes: 0 every byte is accounted for, 1 something is not, and is named, 2 the vault could not be opened.
"""

from __future__ import annotations

import argparse
import base64
import getpass
import hashlib
import hmac
import json
import os
import re
import shutil
import stat
import struct
import subprocess
import sys
import tempfile
import unicodedata
import zlib
from collections import Counter, defaultdict
from functools import cache
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

try:
    import imagecodecs
except ImportError:
    imagecodecs = None

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

Json = dict[str, Any]
PACK, INDEX, SNAPSHOT, RETENTION, PARITY = 1, 2, 3, 4, 5
PARTS = {
    1: "file content",
    2: "listings",
    3: "index",
    4: "snapshot",
    6: "thumbnails",
    8: "retention",
    10: "parity maps",
    11: "parity",
}
CONTENT, LISTING, THUMBNAIL = 1, 2, 6
HOME = {
    1: PACK,
    2: PACK,
    3: INDEX,
    4: SNAPSHOT,
    6: PACK,
    8: RETENTION,
    10: PARITY,
    11: PARITY,
}  # the object kind of each part kind
PLAIN, ZLIB, JXL, JXL_MORE = 0, 1, 3, 4  # codecs
GROUP_MAX = 1 << 25  # bytes of a JPEG that is stored as JPEG XL
CLEAR = struct.Struct("<6sBBII32s32s")  # magic, version, kind, epoch, zero, salt, commitment
HEAD = struct.Struct("<IIII")  # trailer, parts, padding, zero
RECORD = struct.Struct("<32sBBHII32s")  # id, kind, codec, skip, length, stored, digest
INDEX_PACK, INDEX_RECORD = struct.Struct("<32sII"), struct.Struct("<32sBBHII")
TAG, PARTS_AT, SIZE_MIN, SIZE_MAX, PART_MAX = 16, 112, 1 << 14, 1 << 24, 1 << 22

DOCUMENTS = {"FORMAT.md", "RECOVER.txt", "recover.py"}
SEALED = {"packs": PACK, "index": INDEX, "snapshots": SNAPSHOT, "retention": RETENTION, "parity": PARITY}
FOLDERS = r"(|keys|packs|packs/[0-9a-f]{2}|index|parity|retention|snapshots|tmp)"
IN_CLEAR = r"vault\.json|keys/[0-9a-f]{32}|FORMAT\.md|RECOVER\.txt|recover\.py"
NAMES = (
    rf"packs/(?P<two>[0-9a-f]{{2}})/(?P=two)[0-9a-f]{{62}}|(index|parity|retention|snapshots)/[0-9a-f]{{64}}|{IN_CLEAR}"
)


def raw(name: object) -> bytes:
    """Return the bytes of a raw name (section 2), none if it is not one."""
    try:
        data = str(name).encode("utf-8", "surrogateescape")
        return data if data.decode("utf-8", "surrogateescape") == name else b""
    except UnicodeEncodeError:
        return b""


def is_xattrs(value: object) -> bool:
    """Tell whether these are extended attributes: raw names to values in hex."""
    pairs = value.items() if isinstance(value, dict) else [("", "")]
    return all(raw(name) and re.fullmatch("([0-9a-f]{2})*", str(data)) for name, data in pairs)


# What each JSON value may be; see `misfits`. A name that ends with "?" may be missing.
TEXT, DIGEST, RANDOM, U63 = "(?s:.*)", "[0-9a-f]{64}", "[0-9a-f]{32}", range(1 << 63)
EPOCH, NUMBER, MODE = range(1, 1 << 32), range(1, 1 << 63), range(1 << 12)
MTIME = range(-(10**9) << 63, (10**9 << 63) + 1)
ISO = r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d([.,]\d{1,9})?)?(Z|[+-]\d\d:?\d\d(:\d\d)?)?)?"
SUITE = "AES-256-GCM HKDF-SHA256 HMAC-SHA256 Argon2id"
ARGON2ID = {"lanes": range(1, 65), "memory_kib": range(65536, 4194305), "name": "argon2id", "passes": range(1, 65)}
# fmt: off
HEADER = {"format": "photovault", "mac": DIGEST, "suite": SUITE, "vault": RANDOM, "version": 1}
SLOT = {
    "epoch": EPOCH, "format": "photovault-slot", "id": RANDOM, "info": "[0-9a-f]{544}",
    "kdf": (ARGON2ID, {"name": "hkdf"}), "kind": "password|words|device|epoch", "mac": DIGEST, "salt": DIGEST,
    "vault": RANDOM, "version": 1, "wrapped": "[0-9a-f]{160}",
}
SNAPSHOT_FIELDS = {
    "clear": [{"name": IN_CLEAR, "sha256": DIGEST}],
    "counts": {"files": U63, "folders": U63, "links": U63, "size": U63},
    "device": {"id": RANDOM, "name": TEXT}, "epoch": EPOCH,
    "heads?": [{"device": RANDOM, "number": NUMBER, "snapshot": DIGEST, "storage": TEXT}],
    "number": NUMBER, "previous": (None, DIGEST), "problems": U63, "program": TEXT, "root": [DIGEST],
    "sources": [{"label": raw, "offline": (True, False), "path": TEXT}], "tags": [TEXT],
    "time": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", "version": 1,
}
RETENTION_FIELDS = {
    "device": {"id": RANDOM, "name": TEXT}, "grace": U63, "indexes": [DIGEST], "packs": [DIGEST], "parity": [DIGEST],
    "pins": [DIGEST], "snapshots": [{"device": RANDOM, "name": DIGEST, "number": NUMBER}],
    "time": SNAPSHOT_FIELDS["time"], "version": 1,
}
ENTRY = {"kind": "file|folder|link", "mode": MODE, "mtime": MTIME, "name": raw}
FILE = {"parts": [DIGEST], "sha256": DIGEST, "size": U63}
PARITY_MAP = {
    "length": range(1, SIZE_MAX + 1), "offset": range(SIZE_MAX), "packs": [DIGEST], "shard": range(2), "shards": 2,
    "size": tuple(1 << bits for bits in range(14, 25)), "version": 1,
}
LINE, WORD, DEGREE = "(?s:.{0,4096})", "[a-z0-9]{1,16}", 10_000_000
FACTS = {
    "altitude?": range(-(1 << 63) + 1, 1 << 63), "broken?": LINE, "suspect?": LINE, "burst_id?": LINE, "content_id?": LINE,
    "description?": LINE, "duration?": U63, "gain_map?": True, "height?": U63, "keywords?": [LINE], "kind?": WORD,
    "latitude?": range(-90 * DEGREE, 90 * DEGREE + 1), "lens?": LINE, "longitude?": range(-180 * DEGREE, 180 * DEGREE + 1),
    "make?": LINE, "model?": LINE, "motion?": U63, "orientation?": range(1, 9), "phash?": range(1 << 64),
    "rating?": range(-1, 6), "taken?": ISO, "taken_confidence?": "high|medium|low", "taken_source?": WORD,
    "thumbnail?": DIGEST, "title?": LINE, "width?": U63,
}
FEW = {"gain_map", "kind", "orientation", "rating", "taken_confidence", "taken_source"}  # facts whose values are counted
MORE = {"facts?": FACTS, "unsettled?": True, "xattrs?": is_xattrs}
ENTRIES = {
    "file": ENTRY | FILE | MORE,
    "folder": ENTRY | {"files": U63, "parts": [DIGEST], "size": U63},
    "link": ENTRY | {"target": raw},
}
# fmt: on

# The first four letters of the 2048 English words of BIP-39, which tell them apart, each as a number of base 27 (a is 1,
# z is 26, 0 fills up): the differences from word to word, all high bytes and then all low ones, in zlib and base 85.
WORDS = """
c-oa$Yiv}<72b2^%;UcA?s|9a-Sq-%8+#pW@EXj+55Sm!i3ymOA7G4WYz!EJWJ;h^@FPu069Oc(<Wa&aNu#8Y(n4uNDXl76(b5uyK2)_5t<=y)QGc{mq
vl7YbPO&8unmlKrI|T1XU_S~H{ZQ?QQ#g8Apj8257Ps2rxotrz^>0xV3?(F$KXZ}&AS~Lf#K(F59F?}#1LDDm<tB(x0%EH{Y*Z?nZ^Ac!$&fTTVNaNW>
?*pV`F%eJ3^#`M=~h~Go*o3fsljvZ0ayH74&-gzvX(V`H;*QbffMWxp8l7#mFme^g~0JSHW-_hVp!4Y{}ba)m_ngBO-3N1Gh^#xA22|Q4#eT;avv|AU?
2R&|%oredCq~TR&rm@SyHZ5BKg7nD?Zyx-aUvL#?`nk`)NZA$J-9|F#`E%@E$C4-QaM64RLAO#x!JL}`$AEI^1fQUWkSI{apd!~@=Pd1n=;4|YQL4djC
W@7~TNci6Moh{FdKut5hfv_QfGC4~=i?g)ADI}=bh0~y}GH<A$Fhm8i0&hv4Y*jV7Y1t5C&duFJ6GZ<092&EUdkh{J4cPv?JKz<-l4#~jz-_7fS<tB%T
*GP!%(Nk5CVnZ<Y>zRh}#_T`(s(+VT75$vMY|F`Ae(am6$kfgzZYCy0DvN^iUlAMSkuzE7m7-$O5)psgpuSMe<{T-?l6HYp`y4mTY%P%}=H$M&dp?ovz
I=W=k>UFt=MG3Q^Hb3!Wl#QB4xcb(c;3@!1mn(1j+RSUxX6-ex2!M{R(*mO;ekA4JCpd6g$0d%)iyAIw};leM)-mQ8*$keR;T=+s^>;B8JU$3f^*hF>$
Da~{(@q_*`aMy*rb*@29(QgW-G&wZk@0|vVxAjG=wb+5KNFPrK~g}GZ1YC76?G}TpMhAULpe>-gg=3h5&7dV8aTOa7Z-Iw&>Acbk+D{mq_HeBuH%t67X
we>$T5W0#^Fj;N%uuz=RHk5p%T*$pL*BWu(ZU{Df&~htBf<=y-txV~ZJtT1^3m7~&oz0^Sz(^INf2N9Ne}kyrlhxwJ7pskY=pKWGv$#;RQMbGE3kN?1H
ax}v2K)GumMR7IkQ1J5*olj1w3!)j0I9618jlX&7aXxUG8!lYDZWoju1LCZp&0#O`1+}XfWo5q^aw*yyX28D0&ooDfr*_D}VXFHFN%Ok<Wx=&4)HTz-4
v+$_R@_4SJ!VMETW{WWv8JR9ioer<}<}do-B*m7_y{L}Dc(YuCU=(^YR7%1zbv^h_CyVo3-`Xb{r9;AI!R}~SgP2NX^D<FVzsi5foD$8JmQQ~|$pWU!(
yN5U!|uu=p^LP9qp=@t^;NUYuWPAqRE_=&t?~w73?|Gf5}R<P@pZ|GJ%9CYZl9H{*wbL;G))Fn;QBs`KQ)>RgfFMspL2iMV|6b!34U(8=rDqPJ7)gA*_
)GQvkJ>VaAcZQ>%n_IgfI7R=uoP^asAI`r-fZ#f*u=PJ!Z}YC8&PaGGJr3|7q#7b?NHTsfB+BVmXO;aymgS*(L7ByAOfmGiQa1##>)Zo_9`P`h**AUF+
~`UB)(OJY0Pj(-teCQroW`W!5CpL{eAM97p0C+gE(P<)@dn<oxRt7N_ejl_lE$`sB6{;=biu@#!z+`!2ElilO)L;thv$db#;f<gJ;ZS(%BHC*8QqOU55
Zn<h3(poU(b*}0D=i>JAc+w6I3D`kGFc2c6acZ)gNFxS0{h0j`MX#VBiSK~PP%*Ww&K2BjWSm$br+E_MDe+i<@QD7o7u`B!I0oLWHtK4u#Lp$l)Y#H*T
`CG`1av@rSt_%I#dpAoT@lhK4NCO$E5QsQ;C}+V@?>Oo^mz?T(o0hlK=KJ=l@#8D4x^Fk+$ylzPNv0m(e_?e+yR>7(AR86*Qo(;0_D}mB#_B#uzqa%Qr
!DUs3%>g1gp!KwkN6)^@A;lH(ReO3PQ&vHo=$?r-rq=PIW?@=Y%Q8K!!84|inAmn#w`v8#+|k+7Qv`8z>>r`DGEZO?!BfeQB=wIuxu){%6#{Iy^t?q-y
-=3+0#H&5pfGA`6j4vaU3R#HE3#TwrOqB6{lwgl!7t+Xw68M|Cv~>TO%_<GCzE-|3^q0Rs_Yt9Z3{H^$hZPqco~hvQ?}yy6TLQjxV)vnz1q_JcG^568T
I|_~6BCl59*Nk^rtvIUx%FrWI2x7pr6NgOXTNQJSuLF%hI{j*rF0NYVE8)TZ4Pv1OadENgw()?e?I<-I99-)XAS8qqV?47x{|7Ha!S2%tiTTqLLLl(`8
Lx}4l3j9rXEtW=^C6pFoQf-Y2pUEi}c9?739b_g(C>C(E=WJ`6buhmAXJ7qm)bO93w9d_u9xN?*hD}MP@YerzOaWCUGnEC0Y*oe9v_mC~qG{U)gT7YS8
v(`VXBRaj2s8_2Z(!l@564I3JFz`iF|A|tKMncR$xqclpC67&sido&RrnZF{(3PYJUC>UJ(*_CRNT0hq{{47Y{X9`MVag~Y(e+QWq!b*{o!*rzy0tsm#
b2LEVgdXk(tN;R<MXRCIZ306#j0z^XWbxTN=ZXzED<-x6_HV*1qX0I3)m7eI(4lDJI42E<rdId@XPkNvzCcRu*>3muh49GC-M*rnk8<@Xp3Qa@=B3&ad
qywQ1f4&o!U((-Z+xT>D$iqeXE%;wj8$=`p_m#5ph;M6te8H@6?6cKq_0-Ij_UQ(8VVU%<8#-H7g|#DzdAZJ|z7*lGD=t^_S%V)u!Jj>sW(Vd{mW^hK`
AjIIuBQ(Nsb;>HzUvr{4z$Uw^Zp%N0E*DEdE#0%!y"""


class AuditError(Exception):
    """The vault cannot be opened; the message says why."""


class OpaqueError(Exception):
    """A part cannot be looked into, because nothing here decodes JPEG XL."""


def need(condition: object, otherwise: str) -> None:
    """Raise ValueError with the reason unless the condition holds."""
    if not condition:
        raise ValueError(otherwise)


def misfits(value: Any, shape: Any, name: str) -> Iterator[str]:
    """Say how a JSON value differs from its shape; nothing if it does not.

    A dict is a JSON object with just these fields, a list a list of its one shape, a tuple one of several shapes, text a
    regular expression for all of a text, a range a whole number, a function a test, anything else just that value.
    """
    if isinstance(shape, dict) and type(value) is dict:
        names = {key.removesuffix("?"): key for key in shape}
        yield from (f"the format knows no field {key} in {name}" for key in sorted(value.keys() - names.keys()))
        yield from (f"{name} has no {key}" for key in sorted(shape.keys() - value.keys()) if not key.endswith("?"))
        for key in sorted(value.keys() & names.keys()):
            yield from misfits(value[key], shape[names[key]], key)
    elif isinstance(shape, list) and type(value) is list:
        for item in value:
            yield from misfits(item, shape[0], name)
    elif not is_fit(value, shape):
        yield f"{name} is not what the format allows"


def is_fit(value: Any, shape: Any) -> bool:
    if isinstance(shape, tuple):
        return any(not any(misfits(value, one, "")) for one in shape)
    if isinstance(shape, str):
        return type(value) is str and re.fullmatch(shape, value) is not None
    if isinstance(shape, range):
        return type(value) is int and value in shape
    return bool(shape(value)) if callable(shape) else type(value) is type(shape) and value == shape


def canonical(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode()


def parse(data: bytes, shape: Any, name: str) -> Any:
    """Read canonical JSON (section 2) of this shape."""
    value = json.loads(data.decode("ascii"))
    need(canonical(value) == data, f"{name} is not canonical JSON")
    for wrong in misfits(value, shape, name):
        raise ValueError(wrong)
    return value


# Keys


def hkdf(secret: bytes, salt: bytes, info: bytes, size: int = 32) -> bytes:
    return HKDF(SHA256(), size, salt, info).derive(secret)


def mac(key: bytes, message: bytes) -> bytes:
    return hmac.digest(key, message, "sha256")


def unseal(key: bytes, region: int, box: bytes, associated: bytes, what: str) -> bytes:
    try:
        return AESGCM(key).decrypt(region.to_bytes(12, "big"), box, associated)
    except InvalidTag:
        raise ValueError(f"{what} does not open: its bytes are not what was sealed") from None


def secret_of_words(given: str) -> bytes:
    """Return the 32 bytes of 24 recovery words (section 4); four letters of each are enough."""
    deltas = zlib.decompress(base64.b85decode("".join(WORDS.split())))
    numbers = accumulate(high << 8 | low for high, low in zip(deltas[:2048], deltas[2048:], strict=True))
    places = {number: place for place, number in enumerate(numbers)}
    words = [word[:4].ljust(4, "`") for word in re.findall("[a-z]+", given.lower())]  # ` comes before a: 0
    found = [
        places.get(sum((ord(c) - 96) * 27**power for c, power in zip(word, (3, 2, 1, 0), strict=True)))
        for word in words
    ]
    if len(found) != 24 or None in found:
        raise AuditError(f"want 24 words of the list; here are {len(words)}, {found.count(None)} of them not in it")
    bits = int("".join(f"{place:011b}" for place in found), 2)
    secret = (bits >> 8).to_bytes(32, "big")
    if hashlib.sha256(secret).digest()[0] != bits & 255:
        raise AuditError("the words do not belong together: one is wrong, or two are swapped")
    return secret


def stretched(password: bytes, slot: Json) -> bytes:
    kdf = slot["kdf"]
    costs: Json = {"iterations": kdf["passes"], "lanes": kdf["lanes"], "memory_cost": kdf["memory_kib"]}
    return Argon2id(salt=bytes.fromhex(slot["salt"]), length=32, **costs).derive(password)


def context(slot: Json) -> bytes:
    return b"photovault/1/slot" + bytes.fromhex(slot["vault"] + slot["id"]) + slot["kind"].encode()


def root_of(slot: Json, secret: bytes) -> bytes:
    """Return the root key inside a slot, or nothing with another secret."""
    both, wrapped = hkdf(secret, bytes.fromhex(slot["salt"]), context(slot), 64), bytes.fromhex(slot["wrapped"])
    return unseal(both[:32], 0, wrapped[32:], context(slot), "its root key") if both[32:] == wrapped[:32] else b""


class Keys:
    """The root keys by epoch, and what follows from them (section 3)."""

    def __init__(self, vault: bytes, roots: dict[int, bytes]) -> None:
        self.vault, self.roots = vault, roots
        self.known: dict[tuple[str, int], bytes] = {}

    def key(self, label: str, epoch: int = 1) -> bytes:
        need(epoch in self.roots, f"it is of key epoch {epoch}, which the secret does not open")
        if (label, epoch) not in self.known:
            self.known[label, epoch] = hkdf(self.roots[epoch], self.vault, b"photovault/1/" + label.encode())
        return self.known[label, epoch]

    def check_mac(self, value: Json, key: bytes) -> None:
        signed = canonical({name: value[name] for name in value if name != "mac"})
        need(value["vault"] == self.vault.hex() and mac(key, signed).hex() == value["mac"], "no key here made its MAC")

    def check_slot(self, slot: Json) -> str:
        """Check what only the holder of a root can make; return the label inside."""
        epoch = slot["epoch"] + (slot["kind"] == "epoch")
        self.check_mac(slot, self.key("slot-mac", epoch))
        if slot["kind"] == "epoch":
            need(root_of(slot, self.roots[epoch]) == self.roots[epoch - 1], "it holds another root than its epoch has")
        key = hkdf(self.key("slot-info", epoch), bytes.fromhex(slot["salt"]), b"photovault/1/slot-info")
        plain = unseal(key, 0, bytes.fromhex(slot["info"]), context(slot), "its label").rstrip(b"\0")
        label = parse(plain, {"created": TEXT, "label": TEXT}, "its label")
        return f"{slot['kind']}, epoch {slot['epoch']}, {label['label']!r}, {label['created']}"


def find_roots(vault: bytes, slots: list[Json], kind: str, secret_of: Callable[[Json], bytes]) -> dict[int, bytes]:
    """Open the newest epoch that the secret opens, then every earlier one through the chain."""
    ours = sorted((slot for slot in slots if slot["vault"] == vault.hex()), key=lambda slot: -slot["epoch"])
    roots: dict[int, bytes] = {}
    for slot in (slot for slot in ours if slot["kind"] == kind):
        if not roots and (root := root_of(slot, secret_of(slot))):
            roots[slot["epoch"]] = root
    for slot in (slot for slot in ours if slot["kind"] == "epoch"):
        if slot["epoch"] + 1 in roots and (root := root_of(slot, roots[slot["epoch"] + 1])):
            roots[slot["epoch"]] = root
    return roots


# Sealed objects


class Part(NamedTuple):
    """One record of a trailer, and where the part lies in its object."""

    id: bytes
    kind: int
    codec: int
    skip: int
    length: int
    stored: int
    digest: bytes
    region: int
    at: int

    def plain(self, encoded: bytes) -> bytes:
        """Undo the codec of a part that is in no group."""
        if self.codec == PLAIN:
            return encoded
        need(hashlib.sha256(encoded).digest() == self.digest, "the digest of a part is not that of its bytes")
        engine = zlib.decompressobj()
        try:
            plain = engine.decompress(encoded, self.length + 1)  # takes no more memory than announced
        except zlib.error:
            raise ValueError("a part is no zlib stream") from None
        need(engine.eof and not engine.unused_data, "a part has bytes behind its zlib stream, or no end of it")
        return plain


class Sealed:
    """A sealed object: what its first 112 bytes and its trailer say, all of it checked (section 5)."""

    def __init__(self, name: str, kind: int, data: bytes, keys: Keys) -> None:
        self.name, self.kind, self.size, self.role, self.keys = name, kind, len(data), keys.vault + bytes([kind]), keys
        need(self.size in [1 << bits for bits in range(14, 25)], "its size is none of the eleven")
        magic, version, stated, epoch, zero, salt, commitment = CLEAR.unpack_from(data)
        need((magic, version, stated, zero) == (b"PVSEAL", 1, kind, 0), "its first 16 bytes are not those of its kind")
        both = hkdf(keys.key("seal", epoch), salt, b"photovault/1/object" + self.role, 64)
        need(both[32:] == commitment, "no key of this vault sealed it: the commitment is another")
        self.key = both[:32]
        length, count, self.padding, zero = HEAD.unpack(self.open(0, data[CLEAR.size : PARTS_AT], b"\0", "its head"))
        need(length == count * RECORD.size and count and not zero, "its head is not as the format says")
        need(PARTS_AT + length + 2 * TAG <= self.size, "its trailer is longer than the object")
        trailer = self.open(1, data[self.size - length - TAG :], b"\1", "its trailer")
        need(mac(keys.key("salt", epoch), struct.pack("<BI", kind, self.size) + trailer) == salt, "its salt is another")
        self.parts = list(self.read_parts(trailer))
        self.groups = list(self.read_groups())
        self.group_of = {part.region: group for group in self.groups for part in group}
        self.padding_at = self.parts[-1].at + self.parts[-1].stored + TAG
        need(self.padding_at + self.padding + length + 2 * TAG == self.size, "its regions do not fill it")

    def open(self, region: int, box: bytes, role: bytes, what: str) -> bytes:
        return unseal(self.key, region, box, self.role + role, what)

    def read_parts(self, trailer: bytes) -> Iterator[Part]:
        at, most = PARTS_AT, PART_MAX if self.kind == PACK else SIZE_MAX
        for region, record in enumerate(RECORD.iter_unpack(trailer), 3):
            part = Part._make((*record, region, at))
            need(HOME.get(part.kind) == self.kind, "it has a part of another kind")
            is_plain = part.codec == PLAIN and part.stored == part.length and not any(part.digest)
            need(part.codec in (ZLIB, JXL, JXL_MORE) or is_plain, "a part has an unknown codec, or two lengths")
            need(part.codec < JXL or part.kind == CONTENT, "a part that is no content is in a group")
            need(part.codec == PLAIN or part.kind != THUMBNAIL, "a thumbnail is compressed")
            need(part.codec == JXL or not part.skip, "a part skips bytes")
            need(part.length <= most and part.stored <= min(most, self.size), "a part is too large")
            alone = part.kind == region + 7 if self.kind == PARITY else region == 3  # a map, then some bytes of a shard
            need(self.kind == PACK or (alone and part.codec == PLAIN), "it has other parts than its kind has")
            at += part.stored + TAG
            yield part

    def read_groups(self) -> Iterator[list[Part]]:
        """Yield parts that are encoded together, every other part by itself."""
        group: list[Part] = []
        for part in self.parts:
            if group and part.codec != JXL_MORE:
                yield group
                group = []
            need(part.codec != JXL_MORE or (group and group[0].codec == JXL), "a part goes on with no group")
            group.append(part)
            need(sum(one.length for one in group) + group[0].skip <= GROUP_MAX, "a group is too large")
        yield group

    def part(self, part: Part, box: bytes) -> tuple[bytes, bytes]:
        """Open a part and prove that it is what its id says; return it as stored, and plain."""
        encoded = self.encoded(part, box)
        plain = part.plain(encoded)
        self.check_id(part, plain)
        return encoded, plain

    def encoded(self, part: Part, box: bytes) -> bytes:
        return self.open(part.region, box, bytes([3, part.kind, part.codec]) + part.id, "a part")

    def check_id(self, part: Part, plain: bytes) -> None:
        named = struct.pack("<BQ", part.kind, part.length) + plain
        is_right = len(plain) == part.length and mac(self.keys.key("part-id"), named) == part.id
        need(is_right, "a part is not what its id says")

    def group(self, parts: Sequence[Part], boxes: Sequence[bytes]) -> tuple[bytes, list[bytes]]:
        """Open parts that are encoded together, and prove them; return what the JPEG has before them, and them.

        OpaqueError: nothing here decodes them; they are as they were sealed.
        """
        shares = [self.encoded(part, box) for part, box in zip(parts, boxes, strict=True)]
        for part, share in zip(parts, shares, strict=True):
            need(hashlib.sha256(share).digest() == part.digest, "the digest of a part is not that of its bytes")
        check_boxes(b"".join(shares))
        jpeg, at = decoded(b"".join(shares)), parts[0].skip
        need(len(jpeg) == at + sum(part.length for part in parts), "a JPEG XL file decodes to another size")
        plains = []
        for part in parts:
            plains.append(jpeg[at : at + part.length])
            self.check_id(part, plains[-1])
            at += part.length
        return jpeg[: parts[0].skip], plains

    def smallest(self) -> int:
        """Return the size that it should have."""
        needed = PARTS_AT + 2 * TAG + sum(part.stored + TAG + RECORD.size for part in self.parts)
        return max(SIZE_MIN, 1 << (needed - 1).bit_length())


def is_made_by_zlib(encoded: bytes, plain: bytes) -> bool:
    return any(zlib.compress(plain, level) == encoded for level in (6, 9, 1, 2, 3, 4, 5, 7, 8, 0))


BOXES = {
    b"JXL ": b"\r\n\x87\n",
    b"ftyp": b"jxl \0\0\0\0jxl ",
    b"jxlc": None,
    b"jxlp": None,
    b"jbrd": None,
    b"jxll": None,
}
CHUNKS = {b"VP8 ", b"VP8L", b"VP8X", b"ALPH"}


def check_boxes(jxl: bytes) -> None:
    """A JPEG XL file (ISO/IEC 18181-2) must consist of the picture and what it takes to make the JPEG again."""
    at = 0
    while at < len(jxl):
        size, name, start = *struct.unpack_from(">I4s", jxl, at), at + 8
        if size == 1:
            (size,), start = struct.unpack_from(">Q", jxl, start), start + 8
        end = at + size if size else len(jxl)
        need(start <= end <= len(jxl) and name in BOXES, f"a JPEG XL file has a box {name!r}, or is cut")
        need(BOXES[name] in (None, jxl[start:end]), f"a JPEG XL file has another box {name!r}")
        at = end


def check_webp(data: bytes) -> None:
    """A thumbnail must be a WebP file (RFC 9649) with nothing in it but a picture."""
    whole = data[:4] + data[8:12] == b"RIFFWEBP" and int.from_bytes(data[4:8], "little") + 8 == len(data)
    need(whole, "a thumbnail is no WebP picture, or has bytes behind it")
    at = 12
    while at < len(data):
        name, size = struct.unpack_from("<4sI", data, at)
        need(name in CHUNKS, f"a thumbnail has a chunk {name!r}")
        at += 8 + size + size % 2
    need(at == len(data), "a thumbnail is cut")


def decoded(jxl: bytes) -> bytes:
    """Return the JPEG that a JPEG XL file was made from."""
    program = shutil.which("djxl")
    if imagecodecs is not None:
        try:
            return bytes(imagecodecs.jpegxl_decode_jpeg(jxl))
        except (imagecodecs.JpegxlError, RuntimeError) as error:
            raise ValueError(f"a JPEG XL file does not decode: {error}") from None
    if program is None:
        raise OpaqueError
    with tempfile.TemporaryDirectory(prefix="audit-") as folder:
        source, result = Path(folder, "in.jxl"), Path(folder, "out.jpg")
        source.write_bytes(jxl)
        done = subprocess.run([program, source, result], capture_output=True, check=False)  # noqa: S603 - our own paths
        need(done.returncode == 0 and result.is_file(), "a JPEG XL file does not decode")
        return result.read_bytes()


def can_decode() -> bool:
    return imagecodecs is not None or shutil.which("djxl") is not None


def segments(head: bytes) -> Iterator[bytes]:
    """Yield the segments that a JPEG begins with (ITU-T T.81), each with its marker."""
    at = 2
    while at < len(head):
        size = 2 + int.from_bytes(head[at + 2 : at + 4], "big")
        need(
            head[at] == 0xFF and size > 3 and at + size <= len(head), "a JPEG begins with something else than segments"
        )
        yield head[at : at + size]
        at += size


def times(one: int, other: int) -> int:
    """Multiply in the field of section 10."""
    product = 0
    for bit in range(8):
        product ^= one << bit if other >> bit & 1 else 0
    for bit in range(14, 7, -1):
        product ^= 0x11D << bit - 8 if product >> bit & 1 else 0
    return product


@cache
def factors(at: int) -> list[int]:
    """Return what the byte of each of 16 packs counts for in a shard: Lagrange's polynomials at point ``at`` (section 10)."""
    points = [0, *accumulate([2] * 16, times, initial=1)]
    inverse = {one: other for one in range(1, 256) for other in range(1, 256) if times(one, other) == 1}
    found = []
    for point in points[:16]:
        value = 1
        for other in (one for one in points[:16] if one != point):
            value = times(value, times(points[at] ^ other, inverse[point ^ other]))
        found.append(value)
    return found


class Folder(NamedTuple):
    """A folder on the way down: its pages, what could be read of them, and the folders in it still to be visited."""

    name: str
    pages: tuple[str, ...]
    entries: list[Json]
    left: Iterator[Json]
    is_whole: bool


class Audit:
    """The audit of one vault: what was found, and where its bytes went."""

    def __init__(self, folder: Path, *, other_zlib: bool = False) -> None:
        self.folder, self.other_zlib, self.keys = folder, other_zlib, Keys(b"", {})
        self.findings: dict[str, dict[str, int]] = defaultdict(dict)  # by object: reason, and bytes not accounted for
        self.sizes: dict[str, int] = {}
        self.names = dict.fromkeys(sorted(self.walk_files()))
        self.slots: dict[str, Json] = {}
        self.labels: dict[str, str] = {}
        self.objects: dict[str, Sealed] = {}
        self.places: dict[bytes, tuple[Sealed, Part]] = {}
        self.snapshots: dict[str, Json] = {}
        self.records: dict[str, Json] = {}
        self.removed: set[str] = set()  # packs and index objects that a record names: they may be there, or gone
        self.left = 0  # bytes of parts of which only forgotten snapshots had need
        self.used: set[bytes] = set()
        self.fields: Counter[str] = Counter()
        self.checked: set[bytes] = set()
        self.totals: dict[tuple[str, ...], Counter[str] | None] = {}  # by the pages of a folder; None: not all was read
        self.group: tuple[object, bytes, dict[bytes, bytes]] = (None, b"", {})  # the last that was decoded: head, parts
        self.heads: dict[
            bytes, str
        ] = {}  # groups whose JPEG begins with bytes that no file was seen to hold, and where

    def find(self, name: str, reason: str, size: int = 0) -> None:
        self.findings[name][reason] = size

    def attempt(self, name: str, size: int, action: Callable[..., Any], *given: object) -> Any:
        """Act; where bytes are not as they must be, note why, and return None."""
        try:
            return action(*given)
        except (ValueError, LookupError, TypeError, AttributeError, OSError, RecursionError, struct.error) as error:
            self.find(name, str(error) or type(error).__name__, size)
        return None

    def walk_files(self) -> Iterator[str]:
        """Yield every file whose name the format knows; note everything else."""
        for parent, folders, names in os.walk(self.folder, onerror=lambda e: self.find(str(e), "cannot be listed")):
            inside = os.path.relpath(parent, self.folder).replace(os.sep, "/").removeprefix(".")
            if not re.fullmatch(FOLDERS, inside):
                self.find(inside + "/", "the format knows no such folder")
            for name in [*names, *(name for name in folders if Path(parent, name).is_symlink())]:
                path, status = f"{inside}/{name}".lstrip("/"), Path(parent, name).lstat()
                self.sizes[path] = status.st_size
                if stat.S_ISREG(status.st_mode) and re.fullmatch(NAMES, path):
                    yield path
                else:
                    why = "an unfinished write" if inside == "tmp" else "the format knows no such object"
                    self.find(path, why, status.st_size)

    def read(self, name: str) -> bytes:
        need(self.sizes[name] <= SIZE_MAX, "larger than 16 MiB")
        return (self.folder / name).read_bytes()

    def unlock(self, kind: str, secret_of: Callable[[Json], bytes]) -> None:
        """Open the vault; check vault.json and every key slot. AuditError: it does not open with this secret."""
        for name in (name for name in self.names if name.startswith("keys/")):
            if slot := self.attempt(name, self.sizes[name], self.read_slot, name):
                self.slots[name] = slot
        if not self.slots:
            raise AuditError(f"{self.folder}: no vault is here, or none of its key slots can be read")
        vault = bytes.fromhex(Counter(slot["vault"] for slot in self.slots.values()).most_common(1)[0][0])
        roots = self.attempt("keys/", 0, find_roots, vault, list(self.slots.values()), kind, secret_of) or {}
        if 1 not in roots:
            raise AuditError(f"the {kind} opens none of {len(self.slots)} key slots, or not down to the first epoch")
        self.keys = Keys(vault, roots)
        for name, slot in self.slots.items():
            self.labels[name] = self.attempt(name, self.sizes[name], self.keys.check_slot, slot)
        self.attempt("vault.json", self.sizes.get("vault.json", 0), self.check_header)

    def read_json_line(self, name: str, shape: Json) -> Json:
        data = self.read(name)
        need(data.endswith(b"\n"), "it does not end with a line feed")
        return dict(parse(data[:-1], shape, name))

    def read_slot(self, name: str) -> Json:
        slot = self.read_json_line(name, SLOT)
        wanted = ("keys/" + slot["id"], "argon2id" if slot["kind"] == "password" else "hkdf")
        need((name, slot["kdf"]["name"]) == wanted, "its id or its kdf is another")
        return slot

    def check_header(self) -> None:
        need("vault.json" in self.names, "it is missing")
        self.keys.check_mac(self.read_json_line("vault.json", HEADER), self.keys.key("header"))

    def open_objects(self) -> None:
        """Open every pack, index and snapshot, and all parts in them; then compare the indexes with the packs."""
        for name in self.names:
            if kind := SEALED.get(name.split("/")[0]):
                self.attempt(name, self.sizes[name], self.open_object, name, kind)
        for name, one in sorted(self.objects.items(), key=lambda item: item[1].kind != RETENTION):
            if one.kind != PACK and all(part.id in self.places for part in one.parts):
                check = {
                    INDEX: self.check_index, PARITY: self.check_parity, RETENTION: self.read_record,
                }.get(one.kind, self.read_snapshot)  # fmt: skip
                stored = sum(part.stored for part in one.parts)
                self.attempt(name, stored, check, name, *(self.plain(part.id, part.kind) for part in one.parts))

    def open_object(self, name: str, kind: int) -> None:
        data = self.read(name)
        one = self.objects[name] = Sealed(name, kind, data, self.keys)
        if hashlib.sha256(data).hexdigest() != name[-64:]:
            self.find(name, "its name is not the SHA-256 of its bytes")
        if one.size != one.smallest() and not (kind == PACK and one.size == SIZE_MAX):
            self.find(name, f"it has {one.size} bytes, where {one.smallest()} would have held it")
        box = data[one.padding_at : one.padding_at + one.padding + TAG]
        if (self.attempt(name, one.padding, one.open, 2, box, b"\2", "its padding") or b"").strip(b"\0"):
            self.find(name, "its padding is not all zeros", one.padding)
        for parts in one.groups:
            boxes = [data[part.at : part.at + part.stored + TAG] for part in parts]
            if parts[0].codec == JXL:
                self.attempt(name, sum(part.stored for part in parts), self.open_group, one, parts, boxes)
            else:
                self.attempt(name, parts[0].stored, self.open_part, one, parts[0], boxes[0])
        opaque = [part for part in one.parts if part.codec >= JXL and part.id not in self.places]
        if opaque and not can_decode():
            why = f"{len(opaque)} of its parts are JPEG XL, which nothing here decodes: install djxl or imagecodecs"
            self.find(name, why, sum(part.stored for part in opaque))
            for part in opaque:
                self.places.setdefault(part.id, (one, part))

    def open_group(self, one: Sealed, parts: list[Part], boxes: list[bytes]) -> None:
        try:
            head, _ = one.group(parts, boxes)
        except OpaqueError:
            return
        for part in parts:
            self.places.setdefault(part.id, (one, part))
        need(head[:2] in (b"", b"\xff\xd8"), "what a JPEG has before its parts is not the beginning of one")
        if head[2:] and self.places[parts[0].id][1] is parts[0]:
            self.heads[parts[0].id] = one.name

    def open_part(self, one: Sealed, part: Part, box: bytes) -> None:
        encoded, plain = one.part(part, box)
        self.places.setdefault(part.id, (one, part))
        if part.kind == THUMBNAIL:
            check_webp(plain)
        if part.codec and not self.other_zlib and not is_made_by_zlib(encoded, plain):
            raise ValueError(f"the zlib here makes another stream of part {part.id.hex()[:16]} (see --other-zlib)")

    def plain(self, part_id: bytes, kind: int) -> bytes:
        """Return a part, and note that something leads to it."""
        self.used.add(part_id)
        need(part_id in self.places, f"part {part_id.hex()[:16]} is nowhere, or damaged")
        one, part = self.places[part_id]
        need(part.kind == kind, f"part {part_id.hex()[:16]} is of another kind")
        parts = one.group_of[part.region]
        with (self.folder / one.name).open("rb") as stream:
            stream.seek(parts[0].at)
            boxes = [stream.read(each.stored + TAG) for each in parts]
        if part.codec < JXL:
            return one.part(part, boxes[0])[1]
        if self.group[0] != parts[0]:
            head, plains = one.group(parts, boxes)
            self.group = parts[0], head, {each.id: plain for each, plain in zip(parts, plains, strict=True)}
        return self.group[2][part_id]

    def check_index(self, _: str, plain: bytes) -> None:
        """An index must say of each pack just what its trailer says (section 6)."""
        at = 0
        while at < len(plain):
            pack, size, count = INDEX_PACK.unpack_from(plain, at)
            start, at = at + INDEX_PACK.size, at + INDEX_PACK.size + count * INDEX_RECORD.size
            need(at <= len(plain), "it is cut short")
            one = self.objects.get(f"packs/{pack.hex()[:2]}/{pack.hex()}")
            if one is None and pack.hex() in self.removed:
                continue
            need(one and one.size == size, f"it describes a pack {pack.hex()[:16]} that is not there, or damaged")
            said, told = (
                list(INDEX_RECORD.iter_unpack(plain[start:at])),
                [part[:6] for part in one.parts] if one else [],
            )
            need(said == told, f"it describes the pack {pack.hex()[:16]} otherwise than the pack does")

    def check_parity(self, _: str, said: bytes, held: bytes) -> None:
        """Parity must be what the code makes of the packs that it names (section 10)."""
        value = parse(said, PARITY_MAP, "parity map")
        start, length, packs = value["offset"], value["length"], value["packs"]
        need(length == len(held) and start + length <= value["size"], "its map says other lengths")
        need(0 < len(packs) <= 16 and len(set(packs)) == len(packs), "its group has no pack, one twice, or too many")
        total = 0
        for factor, pack in zip(factors(16 + value["shard"]), packs, strict=False):
            name = f"packs/{pack[:2]}/{pack}"
            need(self.sizes.get(name) == value["size"], f"it protects a pack {pack[:16]} that is not there")
            with (self.folder / name).open("rb") as stream:
                stream.seek(start)
                table = bytes(times(factor, byte) for byte in range(256))
                total ^= int.from_bytes(stream.read(length).translate(table), "big")
        need(total.to_bytes(length, "big") == held, "it is not what its packs give")

    def read_record(self, name: str, plain: bytes) -> None:
        """A retention record: what was forgotten, and what is going to be removed (section 9)."""
        value = self.records[name] = parse(plain, RETENTION_FIELDS, "retention record")
        lists = [value[key] for key in ("indexes", "packs", "parity", "pins")]
        lists.append([gone["name"] for gone in value["snapshots"]])
        need(all(sorted(set(names)) == names for names in lists), "its lists are not in order")
        self.removed.update(value["packs"], value["indexes"])

    def read_snapshot(self, name: str, plain: bytes) -> None:
        value = self.snapshots[name] = parse(plain, SNAPSHOT_FIELDS, "snapshot")
        need(value["epoch"] in self.keys.roots, "it is of a key epoch that the secret does not open")
        names = [item["name"] for item in value["clear"]]
        heads = [(head["storage"], head["device"]) for head in value.get("heads", ())]
        ordered = sorted(set(heads), key=lambda head: (head[0] != heads[0][0], head))
        need(
            (sorted(set(names)), ordered) == (names, heads),
            "its list of objects in clear or its heads are not in order",
        )
        need(heads or "heads" not in value, "its heads are empty")

    def walk_snapshots(self) -> None:
        """Follow every snapshot down to the last part; what is shared between them is followed once."""
        for name, snapshot in self.snapshots.items():
            where = f"snapshot {name[-64:][:12]}"
            before = self.snapshots.get(f"snapshots/{snapshot['previous']}", {})
            link = (snapshot["device"]["id"], snapshot["number"] - 1)
            if before and (before["device"]["id"], before["number"]) != link:
                self.find(where, "it does not follow on the snapshot that it names")
            top = self.read_folder(where, "", tuple(snapshot["root"]))
            self.descend(where, top)
            self.attempt(where, 0, self.check_top, snapshot, top)

    def check_top(self, snapshot: Json, top: Folder) -> None:
        total, labels = self.totals[top.pages], {source["label"]: source["offline"] for source in snapshot["sources"]}
        names = {entry["name"] for entry in top.entries if entry["kind"] == "folder"}
        need(len(names) == len(top.entries) and names <= labels.keys(), "its top listing holds more than its sources")
        if total is not None:
            need(all(labels[name] for name in labels.keys() - names), "one of its sources has no folder")
            found = {**total, "folders": total["folders"] - len(names)}
            need(found == snapshot["counts"], "its counts are not those of what it holds")

    def descend(self, where: str, top: Folder) -> None:
        """Visit every folder below, each after the folders in it; a deep tree does not use up the stack."""
        path = [top]
        while path:
            here = "/".join([where, *(folder.name for folder in path[1:])])
            entry = next(path[-1].left, None)
            if entry is None:
                done = path.pop()
                self.totals[done.pages] = self.attempt(here, 0, self.total, here, done)
            elif tuple(entry["parts"]) not in self.totals:
                path.append(self.read_folder(f"{here}/{entry['name']}", entry["name"], tuple(entry["parts"])))

    def read_folder(self, where: str, name: str, pages: tuple[str, ...]) -> Folder:
        read = [self.attempt(where, 0, self.page, page) for page in pages]
        entries = [entry for page in read for entry in page or ()]
        good = [entry for entry in entries if self.attempt(where, 0, self.check_entry, where, entry)]
        names = [raw(entry["name"]) for entry in good]
        if sorted(set(names)) != names:
            self.find(where, "its entries are not in the order of their names, each once")
        left = iter([entry for entry in good if entry["kind"] == "folder"])
        return Folder(name, pages, good, left, None not in read and good == entries)

    def page(self, page: str) -> list[Json]:
        shape = {"entries": [lambda entry: type(entry) is dict], "version": 1}
        return list(parse(self.plain(bytes.fromhex(page), LISTING), shape, "a listing page")["entries"])

    def check_entry(self, where: str, entry: Json) -> bool:
        """Check every field of an entry, and the contents of a file. A field too many costs only itself."""
        shape, here = ENTRIES.get(str(entry.get("kind")), ENTRY), f"{where}/{entry.get('name')}"
        for wrong in misfits(entry, shape, "entry"):
            self.find(here, wrong)
        self.fields.update(f"{entry.get('kind')} {name}" for name in entry)
        if entry.get("kind") == "file":
            self.attempt(here, 0, self.count_facts, entry.get("facts", {}))
            self.attempt(here, 0, self.check_file, entry)
            if thumbnail := dict(entry.get("facts") or {}).get("thumbnail"):
                self.attempt(here, 0, self.plain, bytes.fromhex(thumbnail), THUMBNAIL)
        return not any(misfits({key: entry[key] for key in shape if key in entry}, shape, ""))

    def count_facts(self, facts: Json) -> None:
        for name, fact in facts.items():
            self.fields[f"fact {name} {fact!r:.40}" if name in FEW else f"fact {name}"] += 1

    def check_file(self, entry: Json) -> None:
        parts, digest, size = [bytes.fromhex(part) for part in entry["parts"]], hashlib.sha256(), 0
        self.used.update(parts)
        need(len(parts) <= 50_000, "it has more than 50,000 parts")
        known = hashlib.sha256(b"".join(parts) + canonical([entry["size"], entry["sha256"]])).digest()
        if known not in self.checked:
            before, has_head = b"", not self.heads.keys().isdisjoint(parts)
            for part in parts:
                try:
                    plain = self.plain(part, CONTENT)
                except OpaqueError:
                    return
                if part in self.heads and all(segment in before for segment in segments(self.group[1])):
                    del self.heads[part]
                digest.update(plain)
                size += len(plain)
                before += plain if has_head and len(before) < SIZE_MAX else b""
            is_right = (size, digest.hexdigest()) == (entry["size"], entry["sha256"])
            need(is_right, "its parts are not its size and SHA-256")
            self.checked.add(known)

    def total(self, where: str, folder: Folder) -> Counter[str] | None:
        """Add up what lies below a folder; None where not all of it could be read."""
        sums, is_whole = Counter(files=0, folders=0, links=0, size=0), folder.is_whole
        for entry in folder.entries:
            below: Counter[str] | None = Counter({f"{entry['kind']}s": 1, "size": entry.get("size", 0)})
            if entry["kind"] == "folder":
                below = self.totals[tuple(entry["parts"])]
                if below is not None and (below["files"], below["size"]) != (entry["files"], entry["size"]):
                    self.find(f"{where}/{entry['name']}", "its files and size are not those of what it holds")
                sums["folders"] += 1
            is_whole = is_whole and below is not None
            sums.update(below or {})
        return sums if is_whole else None

    def check_rest(self) -> None:
        """Compare what lies in clear with what the snapshots say of it; name the parts that no snapshot leads to."""
        said: dict[str, set[str]] = defaultdict(set)
        for item in (item for snapshot in self.snapshots.values() for item in snapshot["clear"]):
            said[item["name"]].add(item["sha256"])
        for name in (name for name in self.names if name.split("/")[0] not in SEALED):
            if said[name] or (self.snapshots and name in DOCUMENTS):
                digest = self.attempt(name, self.sizes[name], self.digest, name)
                if {digest} != said[name]:
                    self.find(name, "it is not what the snapshots say of it, or none names it", self.sizes[name])
        for name in sorted(said.keys() & DOCUMENTS - self.names.keys()):
            self.find(name, "it is missing")
        for part, name in self.heads.items():
            self.find(name, f"no file begins as the JPEG does that part {part.hex()[:16]} is made of")
        for name, one in self.objects.items():
            loose = [part for part in one.parts if part.id not in self.used]
            if self.is_left(name, len(loose) < len(one.parts)):
                self.left += sum(part.stored for part in loose)
            elif loose and one.kind == PACK:
                example = f"{loose[0].id.hex()[:16]} ({PARTS[loose[0].kind]}, {loose[0].length} bytes)"
                why = f"no snapshot leads to {len(loose)} of its {len(one.parts)} parts, the first is {example}"
                self.find(name, why, sum(part.stored for part in loose))

    def is_left(self, name: str, is_needed: bool) -> bool:  # noqa: FBT001 - of this one use
        """Tell whether what no snapshot leads to is there because snapshots were forgotten."""
        forgot = any(record["snapshots"] for record in self.records.values())
        return name[-64:] in self.removed or (forgot and is_needed)

    def digest(self, name: str) -> str:
        return hashlib.sha256(self.read(name)).hexdigest()

    # The report

    def table(self) -> Iterator[str]:
        """Yield lines: where every byte of the folder went."""
        form = "{:<12}{:>9}{:>18}{:>18}{:>14}{:>16}{:>19}"
        yield form.format("what", "objects", "bytes", "contents", "structure", "padding", "not accounted for")
        rows = {what: [0] * 6 for what in (*SEALED, "keys", "vault.json", "documents", "other")}
        for name, size in self.sizes.items():
            what = "documents" if name in DOCUMENTS else name.split("/")[0] if name in self.names else "other"
            one = self.objects.get(name)
            contents, padding = (sum(part.stored for part in one.parts), one.padding) if one else (0, 0)
            lost = min(size, sum(self.findings.get(name, {}).values()))
            cells = [1, size, contents, size - contents - padding, padding, lost]
            rows[what] = [cell + more for cell, more in zip(rows[what], cells, strict=True)]
        rows["all"] = [sum(column) for column in zip(*rows.values(), strict=True)]
        yield from (form.format(what, *(f"{cell:,}" for cell in row)) for what, row in rows.items())

    def report(self) -> Iterator[str]:
        """Yield the whole report, line by line."""
        yield f"vault {self.keys.vault.hex()} in {self.folder}, key epochs 1 to {max(self.keys.roots)}"
        yield from ("", *self.table(), "")
        parts = [part for one in self.objects.values() for part in one.parts]
        for kind, what in PARTS.items():
            lengths = [part.length for part in parts if part.kind == kind]
            yield f"{what}: {len(lengths):,} parts, {sum(lengths):,} bytes before compression"
        packed = [part for part in parts if part.codec >= JXL]
        if packed:
            sizes = f"{sum(part.stored for part in packed):,} bytes for {sum(part.length for part in packed):,}"
            groups = sum(part.codec == JXL for part in packed)
            yield f"stored as JPEG XL: {groups:,} pictures in {len(packed):,} parts, {sizes}"
        yield f"copies of parts beside the first: {len(parts) - len({part.id for part in parts}):,}"
        yield f"listing fields: {', '.join(f'{name} {count:,}' for name, count in sorted(self.fields.items())) or 'none'}"
        for name, one in sorted(self.snapshots.items(), key=lambda item: str(item[1]["time"])):
            counts, device = one["counts"], one["device"]["name"]
            what = f"{counts['files']:,} files, {counts['size']:,} bytes, number {one['number']} of {device!r}"
            yield f"snapshot {name[-64:][:12]}: {one['time']}, {what}"
            sources = {source["label"]: source["path"] for source in one["sources"]}
            places = sorted({head["storage"] for head in one.get("heads", ())})
            yield f"  by {one['program']!r}, tags {one['tags']}, sources {sources}, other places {places}"
        for name, record in sorted(self.records.items(), key=lambda item: str(item[1]["time"])):
            what = f"{len(record['snapshots']):,} snapshots forgotten, {len(record['pins']):,} pinned"
            marked = sum(len(record[key]) for key in ("packs", "indexes", "parity"))
            yield f"retention {name[-64:][:12]}: {record['time']}, by {record['device']['name']!r}: {what}, {marked:,} objects go"
        if self.left:
            yield f"parts that forgotten snapshots left, and that are going to be removed: {self.left:,} bytes"
        yield from (f"{name}: {label}" for name, label in self.labels.items())
        yield from (f"{name}: SHA-256 {self.digest(name)}" for name in sorted(DOCUMENTS & self.names.keys()))
        yield f"random by design: the ids of the vault, of the devices and of {len(self.slots)} key slots, and their salts"
        yield ""
        for name, reasons in sorted(self.findings.items()):
            yield from (f"NOT ACCOUNTED FOR: {name}: {reason}" for reason in reasons)
        yield f"{len(self.findings)} things are not accounted for" if self.findings else "every byte is accounted for"


def shown(line: str) -> str:
    """Escape what could steer a terminal: names in a vault may hold anything."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line)


def secret_source(given: argparse.Namespace) -> tuple[str, Callable[[Json], bytes]]:
    """Return the kind of the secret, and what makes it for a slot."""
    if given.words_file:
        secret = secret_of_words(given.words_file.read_text("utf-8"))
        return "words", lambda _: secret
    if given.password_file:
        line = re.sub(rb"\r?\n\Z", b"", given.password_file.read_bytes()).decode()
    elif sys.stdin.isatty():
        line = getpass.getpass("Password of the vault: ")
    else:
        raise AuditError("no secret: give --words-file or --password-file")
    password = unicodedata.normalize("NFC", line).encode()
    return "password", lambda slot: stretched(password, slot)


def main() -> int:
    """Audit the vault named on the command line; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("vault", type=Path, metavar="VAULT")
    parser.add_argument("--words-file", type=Path, metavar="FILE")
    parser.add_argument("--password-file", type=Path, metavar="FILE")
    why = "the vault was written with another zlib: do not ask that its streams be what the zlib here makes"
    parser.add_argument("--other-zlib", action="store_true", help=why)
    given = parser.parse_args()
    try:
        audit = Audit(given.vault, other_zlib=given.other_zlib)
        audit.unlock(*secret_source(given))
        audit.open_objects()
        audit.walk_snapshots()
        audit.check_rest()
        print(*map(shown, audit.report()), sep="\n")
    except (AuditError, OSError, UnicodeError, MemoryError, EOFError, KeyboardInterrupt) as error:
        print(shown(f"audit_vault: {error or type(error).__name__}"), file=sys.stderr)
        return 2
    return 1 if audit.findings else 0


if __name__ == "__main__":
    sys.exit(main())
