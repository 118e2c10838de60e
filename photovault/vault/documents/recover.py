#!/usr/bin/env python3
"""Get the files out of a photovault vault, without photovault.

    python recover.py VAULT --list                  which snapshots there are
    python recover.py VAULT OUT                     restore the newest one; asks for the password
    python recover.py VAULT OUT --words-file FILE   or --password-file FILE; --snapshot ID takes another snapshot

VAULT is a local folder with all files of the vault; nothing in it is changed. OUT is the folder to fill.
Needs Python 3.9 or newer and one package: python -m pip install cryptography
If photos are stored as JPEG XL, also the program djxl (package libjxl-tools), or: python -m pip install imagecodecs

The words or the password open a slot in keys/; inside is the root key, from which all other keys derive. The trailer
at the end of each file in packs/ says which parts it holds; where one is damaged, the index says the same. A snapshot
names the pages of the top folder; pages name files and folders, and the parts of these. Some parts of a photo are
encoded together, as one JPEG XL file, and are decoded together. FORMAT.md describes every byte.

Promised: a file gets its name only after its size and SHA-256 were found right; nothing is overwritten, no link is
followed; damage costs only the files that need the damaged bytes, each named on stderr; memory grows with the number of
parts (300 to 700 bytes each), not with their size. Not promised: extended attributes; to notice removed snapshots.

Exit codes: 0 all restored, 1 failed or unknown version, 2 usage, 3 something could not be written (it exists already,
the system refused, djxl is missing), 10 no vault there, 12 wrong password or words, 13 damage found, 130 interrupted.
"""

import argparse, base64, getpass, glob, hashlib, hmac, json, os, re, shutil, struct, subprocess, sys  # noqa: E401
import tempfile, unicodedata, zlib  # noqa: E401
from typing import Any, Callable, Iterator

try:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf import argon2, hkdf
except ImportError:
    sys.exit("A package is missing or too old. Run: python -m pip install --upgrade cryptography    (44 or newer)")

try:  # only for photos that are stored as JPEG XL
    import imagecodecs
except Exception:
    imagecodecs = None

Json = dict[str, Any]
PACK, INDEX, SNAPSHOT = 1, 2, 3  # kinds of objects
CONTENT, LISTING, PACK_LIST, SNAPSHOT_PART, THUMBNAIL = 1, 2, 3, 4, 6  # kinds of parts
HOME = {CONTENT: PACK, LISTING: PACK, PACK_LIST: INDEX, SNAPSHOT_PART: SNAPSHOT, THUMBNAIL: PACK}  # in which object
PLAIN, ZLIB, JXL, JXL_MORE = 0, 1, 3, 4  # codecs: the last goes on with the JPEG XL file of the part before
DJXL = shutil.which("djxl")  # a program that makes a JPEG of such a file, just as it was
CLEAR = struct.Struct("<6sBBII32s32s")  # magic, version, object kind, epoch, zero, salt, commitment
HEAD = struct.Struct("<IIII")  # trailer length, number of parts, padding length, zero
RECORD = struct.Struct("<32sBBHII32s")  # part id, kind, codec, skip, length, stored length, digest
INDEX_PACK, INDEX_PART = struct.Struct("<32sII"), struct.Struct("<32sBBHII")  # the latter: RECORD without digest
PLACE = struct.Struct("<IIIIIB")  # only in memory: object, region, offset, stored length, length, codec
CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
SNAP = "clear counts device epoch number previous problems program root sources tags time version"
ENTRY = {"file": "parts sha256 size", "folder": "files parts size", "link": "target"}  # fields besides those of all
HEX, SIZES = "[0-9a-f]", [1 << bits for bits in range(14, 25)]  # a digit in names; sizes of objects
NEWER = "is of a version or kind unknown to this recover.py. Use a newer one; if the file is damaged, move it away."
UNSAFE = {"win32": r'[\0-\x1f"*/:<>?\\|\ud800-\udfff]|[. ]$', "darwin": "[/\0\ud800-\udfff]"}.get(sys.platform, "[/\0]")
NO_NAME = r"^\.{0,2}$" + (r"|^(?i:con|prn|aux|nul|com\d|lpt\d)(\.|$)" if sys.platform == "win32" else "")
# The 2048 English words of BIP-39 by their first four letters, which tell them apart (0 fills up three letters). Each
# is stored as the letters that differ from the word before, the first of them a capital; all that in zlib and base 85.
WORDS = """c-kdb+m@rM7X2lDp`&Oh5!_rf=52|@cw#i$nC?;i^=DH1t;!3+n%DdqXcdc$`qSE|o%io7M4|n87Nh?B^D&!aLK~mcD`&!ded^gSEeXDF#f`L
~l4j17iRVb-$qZ}kB56N;vW@Q|O2&1)>9x6=Xg3!-s_D4u72i>`WOq?UX~eTy)aLbJ|F|eFbI%&u_0r&$nN7GmPOALWSgO|_LtJRbxajPIHPPZ<@9yrt=%>T
q#)l)H%a1zTUHdlfI*5)QrswbCQ~kNj?-LE**<I&T$s}d69uz6Vcxh}Dl{+{E<ulU!R&3>bCLw3-RN(e-yX*Q*gzubHQH^>rqjQI(kk`s`vSQVn^*$P_X?OX
zSg>~V`eDr|jD5SquNT%cLqRCpa_lzbyi`_)N@>^mw;zUlEQ=ce87is9%8aG8O!V&P<MnSw!ysgKl(C9(sq5G%_AASkZu^FWGwhU?jd3=fh4T)#xbu^BZR9f
$uA_Q86Wy6+Su5Qbi@9dJFjfREYdveT`JjxLNUbKgxo>Alb7Q)mlWFl#QL9FW(mLPyp|(y_u-TT!v|%L|?dyRTqHa{k3mnU}`XQTF55$zg_ztX&uePz@FoGP
bS=U`T<-8LiE%&lmIB<a*J+pp@@@Uuz6mYG*I~V(~<TSFH@P*RM_U@-{?HQ-#L?**Hr8ayoqUg(AlBh|j*<mysyvE~LxoR9p(t_ZECRv*-^0zB)<*Z~>tHyL
JMsluo<I+Rdzd9TqJXxBW6jfU9Hu|BBhHhnTy9D}8s;1R1|LmC$kAyfrb-2)XwD&7<nn2@4Ig71i_f0P<pQ6AlirZFBOibXe956*5%DQRAVPic|I*2}+1=OP
<%bC>tX+TI4XZqSe$&Z<}{Xj0Jjm`Z2=R?8}vwE~Z@nr)+7>-=r&vQGE5=dMq)ETHDJr4%F77IpxH2;mwMbk%iDrnfV=<_I6Cl^~|28w0QJTZUv>ntGsjni@
3v0au+3?-zqwy|Skh}prH@&l$}(;&7mv9>mx9a9%bZ34tCk78;xWxDe-K-TokJ|zR+vBlAuz{?8kf>x4L4Bp}YS`n3=l<ls5_Hj`#o3(eJlEz7_k|bn+Cr{X
oWsQqxKV2hVF&O9Vao*m7*5W89H5rm^lr(~jVyyL`P22gX>BvVproqkj1$K6;!N`Sb{*&m)oetpT>S^b1F-oUc|72$xX0gj#{j_RqUS`N`>logCT!Hy0O`A_
*f=Z!Lvx#vm?{ZP#GkoyS!;n4Xh{;2gQIAbDtFiV4j{Cg@!&n(>I%zeQ&Wup>&=0!^k?A#$1g@6rCKtw4O_Mn4=o=8mt8fRBd2;W9q&{Qw$5-?KDe4ARo~-h
R|2lEoY^z;JFNs9YcH6%wJj#z@*T2vc)Z9fqFtJwH5txlxhx(-^QQ4!Sb>eYtz;PzRBWDWx1Y`_;)6FVIanqrbG{CU)v9Dr!u{q2Hw)#o6)G-J=UcWJ?!nD}
|c-Sv4-u0Fif(^hbu|=dvghGqx$~zVrgnH-|$2ij6D`_BkdS_HYy|L6U_{*qZE(95tQ?m8!^6B@vrf|<09s+jiYr{%U*k)c@-z;XxN>Lg6u+9a3HtsTmJXqM
e?4HB>H&+i@9o_`c+1{<AGq6<hA?sO<n6x3}hIJPPnhZ0BkC;+(1!=9x_w2v!j;B`eO89UuZW0!QFA3*9{X05$S2X_yg&$_e!Di2C&mMd%Ns0rZ`5PBm=W*c
feK|mZ@~(#kqnh<-p0Ikrc@{~3J|J!kP|);Xr}+I9WwJa+?VN=VC%5I>Ufd9zfMH=3ean%F-~F?m4;3J10bA*txEirGo0|=-rx`<t0;Uto=5CMO-J?H74rS2
7SJSPGU%sdQeO$M-Aq4MOMu>uH1#UaAns^2FzFjycIlh6;Gv%wXa!%2uUr^2szQE4g>J0Tstl8>dg^VLm65xn<IL!4gau%o{igF)HrQ_2j^>d-d9#!FE4m$%
xf^T;tPZ7(<qJiUx6wlhWR}CL6$}f030<87J0@*K(1vx{5lnbJ<$>pwp`<-B?i!zXVa94f64~8u8Do>`VEJTfW5VbS%BA(OmuUpc*Jw=~lNcZ`tKpd8{@qht
W`Z`@!$xB{vT&Y20#F1`12JQU{c64<9KE%LI@aR02#Zumdnqbf``*5EYs-@AMHlICe(zmKk&_hiQd`D}D2&t%8XW;uI%N0TpHLOPPrIs+dS^JQZmu2Z-j<4s
aMYMYNsZW7*40Rye01_Xo@+o8DHwJ3v_NTbC@eHv_!{KZq7Af)qM~CpOnZ3Wk2!<tlAQh(a4u7g-ThBi!ozVMS*fmyk@Ix@EjK|J~nnwj_%34pU`P8%+vFL|
Z6siUW@<-Dv3j#AQP_c61TUg};QSHtzs1Xi)Gp<VwMyhkfQk62u#aSWD(wTY&5WzwkfI2FLN!;OeV?>Zj2XMl)KV8!Mv8emS5C5yXES&QZeSk{XDr`d8CN{>
z0==q*KX(K}Hz^iwwQ_pzpF?AkBT+j3Pmsk*J;3}4sJY`ZgYGqqpZ!uPMUTsICh+@-ulHiLi1B3CPnCQ$q6;6WQ0n_9CEjk)gtnR^OOXd+fpd|D)d{`0h6zw
sC2f)4J2=fxuS`cx!Ih4x1f4Qe3Um{n3LeD6(5Y~+pT_%8u0xs%s7kZ`m8^OBu7@3cqstbZM_mvyMBM&yZMDJ(=cM0eq;fxRKeCKwpb`aqLKP^aCpY7VK_HI
`Fw0h9hg+&be&P37{ssxX8HDYzWqA8=+Oye#Fn>}kqDvp%5}G{hN(Ta*GI%sT>d>FGIAFL+9q<a6FfuGADkG;-i9NA=<PX?Rsv^kc#ihd=@j}W+S430`#ZX5
oAQ0`y&u-Pr4XKFCmu9SF;>(K%E8Z~ep7s$Q4D<Og<*sqq4Ne<1`#)e9b-V"""


def say(text: object, stream: Any = None) -> None:
    """Print, with everything escaped that could steer a terminal."""
    safe = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(text))
    encoding = getattr(stream or sys.stdout, "encoding", None) or "ascii"
    print(safe.encode(encoding, "backslashreplace").decode(encoding), file=stream or sys.stdout, flush=True)


def need(condition: object, otherwise: str, code: int = 0) -> None:
    """Where the condition does not hold, raise ValueError (bad bytes) or, with a code, end the run."""
    if not condition:
        say(otherwise, sys.stderr) if code else None
        raise SystemExit(code) if code else ValueError(otherwise)


def read(path: str, offset: int = 0, size: int = -1) -> bytes:
    """Read a range of a file, or all of a file that is not larger than any object may be."""
    with open(path, "rb") as stream:
        stream.seek(offset)
        data = stream.read(1 << 24 if size < 0 else size)
    need(len(data) == (os.path.getsize(path) if size < 0 else size), "cut off, or too large")
    return data


def parse(raw: bytes, path: str, names: str, optional: str = "") -> Json:
    """Read canonical JSON: an object of a version that we know, with these fields, and perhaps an optional one."""
    value: Json = json.loads(raw.decode("ascii"))
    need(CANONICAL.encode(value).encode() == raw and type(value["version"]) is int, "not canonical JSON")
    need(value["version"] == 1, f"{path} {NEWER}", 1)
    need(value.keys() - {optional} == set(names.split()), "wrong fields")
    return value


def unseal(key: bytes, number: int, box: bytes, associated: bytes) -> bytes:
    return AESGCM(key).decrypt(number.to_bytes(12, "big"), box, associated)


def decode(jxl: bytes) -> bytes:
    """Make the JPEG again that a JPEG XL file was made from."""
    if imagecodecs:
        return bytes(imagecodecs.jpegxl_decode_jpeg(jxl))
    with tempfile.TemporaryDirectory(prefix="recover-") as folder:  # nobody else may look into it
        source, result = os.path.join(folder, "in.jxl"), os.path.join(folder, "out.jpg")
        with open(source, "wb") as stream:
            stream.write(jxl)
        subprocess.run([str(DJXL), source, result], capture_output=True, check=True, timeout=600)
        with open(result, "rb") as stream:
            return stream.read()


def secret_of_words(text: str) -> bytes:
    known = ["    "]
    for tail in re.findall("[A-Z][a-z0]*", zlib.decompress(base64.b85decode("".join(WORDS.split()))).decode()):
        known.append(known[-1][: 4 - len(tail)] + tail.lower())
    number = {word.rstrip("0"): place for place, word in enumerate(known[1:])}
    words = re.findall("[a-z]+", text.lower())
    unknown = " ".join([word for word in words if word[:4] not in number][:9])
    need(not unknown and len(words) == 24, f"Want 24 words, not {len(words)}; unknown: {unknown or 'none'}", 12)
    bits = int("".join(f"{number[word[:4]]:011b}" for word in words), 2)
    secret = (bits >> 8).to_bytes(32, "big")
    need(hashlib.sha256(secret).digest()[0] == bits & 255, "The words do not match: one is wrong or misplaced.", 12)
    return secret


def argon2id(secret: bytes, salt: bytes, name: str, lanes: int, memory_kib: int, passes: int) -> bytes:
    return argon2.Argon2id(salt=salt, length=32, iterations=passes, lanes=lanes, memory_cost=memory_kib).derive(secret)


def read_signed(path: str, what: str, names: str) -> Json:
    """Read vault.json or a key slot; its hex becomes bytes, and "signed" is what its MAC covers."""
    raw = read(path)
    value = parse(raw[:-1], path, names)
    need(raw.endswith(b"\n") and value["format"] == what, "wrong format")
    need(value.get("suite") in (None, "AES-256-GCM HKDF-SHA256 HMAC-SHA256 Argon2id"), f"{path} {NEWER}", 1)
    signed = CANONICAL.encode({name: item for name, item in value.items() if name != "mac"}).encode()
    hexes: Json = {key: bytes.fromhex(value[key]) for key in {"id", "mac", "salt", "vault", "wrapped"} & value.keys()}
    return {**value, **hexes, "signed": signed}


def read_slot(path: str) -> Json:
    slot = read_signed(path, "photovault-slot", "epoch format id info kdf kind mac salt vault version wrapped")
    kind, kdf = slot["kind"], slot["kdf"]
    need(kind in ("password", "words", "device", "epoch"), f"{path} {NEWER}", 1)
    need(slot["id"].hex() == os.path.basename(path) and 0 < slot["epoch"] < 1 << 32, "wrong id or epoch")
    costs = {"lanes": (1, 64), "memory_kib": (65536, 4194304), "passes": (1, 64)} if kind == "password" else {}
    need(kdf.keys() == {"name", *costs} and kdf["name"] == ("argon2id" if costs else "hkdf"), "unknown kdf")
    need(all(low <= kdf[name] <= high for name, (low, high) in costs.items()), "kdf costs out of bounds")
    return {**slot, "context": b"photovault/1/slot" + slot["vault"] + slot["id"] + kind.encode()}


class Vault:
    """A vault: first unlocked, then searched for parts, then restored."""

    def __init__(self, folder: str) -> None:
        self.folder, self.id, self.code, self.files, self.bytes = folder, b"", 0, 0, 0  # code: exit code so far
        self.roots: dict[int, bytes] = {}  # root keys by epoch
        self.objects: list[tuple[str, bytes]] = []  # path and key
        self.places: dict[bytes, bytes] = {}  # part id: a PLACE for each copy
        self.groups: dict[tuple[int, int], list[Any]] = {}  # object and region: all parts that are encoded together
        self.decoded: tuple[Any, dict[bytes, bytes]] = (None, {})  # the last group, and its parts
        self.todo: list[tuple[str, list[str]]] = []  # folders to restore: path and pages
        self.late: list[tuple[str, Json]] = []  # links to make and folders to finish when all files are there

    def attempt(self, action: Callable[..., Any], path: str, *rest: Any, lost: int = 0) -> Any:
        """Act on a file. Where that fails, say so and return None. lost: the exit code if the system says no."""
        try:
            return action(path, *rest)
        except Exception as error:  # whatever bad bytes, a bad disk or a full one lead to
            say(f"{path}: {str(error) or type(error).__name__}", sys.stderr)
            self.code = max(self.code, lost if not lost or isinstance(error, OSError) else 13)

    def each(self, pattern: str, action: Callable[..., Any], *rest: Any, lost: int = 0) -> Iterator[tuple[str, Any]]:
        """Act on each file of the vault whose path matches; yield the path and the result."""
        for path in sorted(filter(os.path.isfile, glob.iglob(os.path.join(glob.escape(self.folder), pattern)))):
            result = self.attempt(action, path, *rest, lost=lost)
            if result is not None:
                yield path, result

    def derive(self, root: bytes, label: str) -> bytes:
        return hkdf.HKDF(SHA256(), 32, self.id, b"photovault/1/" + label.encode()).derive(root)

    def check_mac(self, path: str, value: Json, root: bytes) -> None:
        key = self.derive(root, "slot-mac" if "epoch" in value else "header")
        need(hmac.digest(key, value["signed"], "sha256") == value["mac"], "wrong MAC")

    def unlock(self, kind: str, secret_of: Callable[[Json], bytes]) -> None:
        """Open the newest key epoch that the secret opens, then go down the chain of epochs; check all MACs."""
        header = self.attempt(read_signed, f"{self.folder}/vault.json", "photovault", "format mac suite vault version")
        slots = dict(self.each("keys/" + HEX * 32, read_slot))
        need(slots, f"{self.folder}: there is no vault, or it has lost its keys.", 13 if header else 10)
        ids = [value["vault"] for value in ([header] if header else []) + list(slots.values())]
        self.id = max(ids, key=ids.count)
        for path, slot in sorted(slots.items(), key=lambda item: (-item[1]["epoch"], item[1]["kind"] != "epoch")):
            if slot["vault"] == self.id and slot["epoch"] not in self.roots and slot["kind"] in (kind, "epoch"):
                secret = secret_of if slot["kind"] == kind else lambda slot: self.roots.get(slot["epoch"] + 1, b"")
                root = self.attempt(self.open_slot, path, slot, secret)
                self.roots.update({slot["epoch"]: root} if root else {})
        need(self.roots, f"None of the {len(slots)} key slots opens with the {kind} given.", 12)
        for path, value in [*slots.items(), *([("vault.json", header)] if header else [])]:
            root = self.roots.get(value.get("epoch", 1) + (value.get("kind") == "epoch"))
            self.attempt(self.check_mac, path, value, root) if root else None

    def open_slot(self, path: str, slot: Json, secret_of: Callable[[Json], bytes]) -> bytes:
        """Return the root key inside, or nothing with another secret."""
        secret = secret_of(slot)
        both = hkdf.HKDF(SHA256(), 64, slot["salt"], slot["context"]).derive(secret)
        if both[32:] != slot["wrapped"][:32]:
            return b""
        root = unseal(both[:32], 0, slot["wrapped"][32:], slot["context"])
        self.check_mac(path, slot, secret if slot["kind"] == "epoch" else root)
        return root

    def object_key(self, path: str, kind: int) -> tuple[bytes, bytes, bytes]:
        """Check the first 80 bytes of an object; return its key, its salt, and the key that makes salts."""
        magic, version, found, epoch, zero, salt, commitment = CLEAR.unpack(read(path, 0, CLEAR.size))
        need(magic == b"PVSEAL" and zero == 0, "wrong first bytes")
        if version != 1 or found not in HOME.values():  # newer, if the name says that no byte was changed
            need(hashlib.sha256(read(path)).hexdigest() != os.path.basename(path), f"{path} {NEWER}", 1)
        need(epoch in self.roots, f"the key of epoch {epoch} is missing")
        info = b"photovault/1/object" + self.id + bytes([kind])
        both = hkdf.HKDF(SHA256(), 64, salt, info).derive(self.derive(self.roots[epoch], "seal"))
        need(both[32:] == commitment and found == kind and version == 1, "wrong commitment")
        return both[:32], salt, self.derive(self.roots[epoch], "salt")

    def open_object(self, path: str, kind: int) -> bytes:
        """Check head and trailer of an object, note where its parts lie, and return the first part's id."""
        key, salt, salt_key = self.object_key(path, kind)
        role, size = self.id + bytes([kind]), os.path.getsize(path)
        length, count, padding, zero = HEAD.unpack(unseal(key, 0, read(path, 80, 32), role + b"\0"))
        end = size - length - 16  # where the trailer begins
        trailer = unseal(key, 1, read(path, end, length + 16), role + b"\1")
        need(hmac.digest(salt_key, bytes([kind]) + size.to_bytes(4, "little") + trailer, "sha256") == salt, "bad salt")
        records = list(RECORD.iter_unpack(trailer))
        used = 144 + sum(record[5] + 16 + 76 for record in records)
        need((size, length, zero) == (used + padding, count * 76, 0) and size in SIZES, "wrong head")
        if kind != PACK:
            need(not any(unseal(key, 2, read(path, end - padding - 16, padding + 16), role + b"\2")), "wrong padding")
            need(count == 1 and hashlib.sha256(read(path)).hexdigest() == os.path.basename(path), "wrong name")
        self.add_parts(path, key, kind, records)
        return bytes(records[0][0])

    def add_parts(self, path: str, key: bytes, kind: int, records: list[Any]) -> None:
        """Note where the parts of an object lie: one after the other from 112, in regions 3, 4, 5 ..."""
        number, at, group = len(self.objects), 112, []
        self.objects.append((path, key))
        for region, (part, part_kind, codec, skip, length, stored, *digest) in enumerate(records, 3):
            need(codec in (PLAIN, ZLIB, JXL, JXL_MORE) and part_kind in HOME, f"{path} {NEWER}", 1)
            need(HOME[part_kind] == kind and length <= 1 << (22 if kind == PACK else 26), "wrong record")
            need(codec != PLAIN or (stored == length and not any(b"".join(digest))), "wrong record")
            need(codec < JXL or part_kind == CONTENT, "wrong record")
            need((skip == 0 or codec == JXL) and (group or codec != JXL_MORE), "wrong record")
            group = group if codec == JXL_MORE else []
            if codec >= JXL:
                group.append((part, skip, region, at, stored, length, codec))
                self.groups[number, region] = group
            if part_kind != THUMBNAIL:
                self.places[part] = self.places.get(part, b"") + PLACE.pack(number, region, at, stored, length, codec)
            at += stored + 16

    def find_parts(self) -> None:
        """Read the trailers of all packs; where one is damaged, use what the index says of its pack."""
        known = {path for path, _ in self.each(f"packs/{HEX * 2}/{HEX * 64}", self.open_object, PACK)}
        for path, part in self.each("index/" + HEX * 64, self.open_object, INDEX):
            self.attempt(self.read_index, path, part, known)

    def read_index(self, path: str, part: bytes, known: set[str]) -> None:
        data, at = self.part(part, PACK_LIST), 0
        while at < len(data):
            name, _, count = INDEX_PACK.unpack_from(data, at)
            records, at = data[at + 40 : at + 40 + 44 * count], at + 40 + 44 * count
            pack = os.path.join(self.folder, "packs", name.hex()[:2], name.hex())
            found = self.attempt(self.object_key, pack, PACK) if pack not in known else None
            if found:
                self.add_parts(pack, found[0], PACK, list(INDEX_PART.iter_unpack(records)))

    def part(self, part: bytes, kind: int) -> bytes:
        """Return the plaintext of a part, from the first of its copies that is good."""
        can_decode = True
        for number, *place in PLACE.iter_unpack(self.places.get(part, b"")):
            group = self.groups.get((number, place[0]))
            can_decode = not group or bool(DJXL or imagecodecs)
            action, what = (self.open_group, group) if group else (self.open_part, place)
            plain = self.attempt(action, *self.objects[number], part, kind, what) if can_decode else None
            if plain is not None:
                return bytes(plain)
        if not can_decode:
            raise FileNotFoundError("is stored as JPEG XL. Install djxl, or: python -m pip install imagecodecs")
        raise ValueError(f"part {part.hex()[:16]} is lost")

    def open_part(self, path: str, key: bytes, part: bytes, kind: int, place: list[int]) -> bytes:
        region, at, stored, length, codec = place
        plain = unseal(key, region, read(path, at, stored + 16), self.id + bytes([HOME[kind], 3, kind, codec]) + part)
        if codec == 1:
            engine = zlib.decompressobj()
            plain = engine.decompress(plain, length + 1)  # takes no more memory than announced
            need(engine.eof and not engine.unused_data, "bad zlib stream")
        need(len(plain) == length, "wrong length")
        return self.checked(part, kind, plain)

    def open_group(self, path: str, key: bytes, part: bytes, kind: int, group: list[Any]) -> bytes:
        """Decode all parts of a group, and keep them: the next one is mostly asked for next."""
        need(kind == CONTENT and sum(one[5] for one in group) <= 1 << 25, "wrong kind, or too large")
        if self.decoded[0] is not group:
            role = self.id + bytes([PACK, 3, CONTENT])
            jxl, found = b"", {}
            for one, _, region, at, stored, _, codec in group:
                jxl += unseal(key, region, read(path, at, stored + 16), role + bytes([codec]) + one)
            jpeg, at = decode(jxl), group[0][1]  # the JPEG begins with bytes that are not of these parts
            for one, *_, length, _ in group:
                found[one], at = jpeg[at : at + length], at + length
            need(at == len(jpeg), "the JPEG XL file decodes to another size")
            self.decoded = group, found
        return self.checked(part, kind, self.decoded[1][part])

    def checked(self, part: bytes, kind: int, plain: bytes) -> bytes:
        """Return the plaintext of a part, if it is what the part's id says."""
        named, root = bytes([kind]) + len(plain).to_bytes(8, "little") + plain, self.roots.get(1)
        need(not root or hmac.digest(self.derive(root, "part-id"), named, "sha256") == part, "wrong id")
        return plain

    def read_snapshot(self, path: str) -> Json:
        snapshot = parse(self.part(self.open_object(path, SNAPSHOT), SNAPSHOT_PART), path, SNAP, "heads")
        need(re.fullmatch(r"\d{4}(-\d\d){2}T(\d\d:){2}\d\d\.\d{6}Z", snapshot["time"]), "wrong time")
        device, files, size = snapshot["device"]["name"], snapshot["counts"]["files"], snapshot["counts"]["size"] >> 20
        text = f"{snapshot['time']}  {os.path.basename(path)[:12]}  {files} files, {size} MiB, from {device}"
        return {"text": text, "root": list(snapshot["root"])}

    def restore(self, out: str, pages: list[str]) -> None:
        """Write a snapshot: files and folders first, then links, and the times and modes of folders, deepest first."""
        os.makedirs(out, exist_ok=True)
        self.todo.append((out, pages))
        while self.todo:
            folder, pages = self.todo.pop()
            for page in pages:
                self.attempt(self.restore_page, folder, page, lost=3)
            say(f"{self.files} files, {self.bytes >> 20} MiB; done: {folder}")
        for path, entry in reversed(self.late):
            self.attempt(self.finish, path, entry, lost=3 if entry["kind"] == "link" else 0)

    def restore_page(self, folder: str, page: str) -> None:
        for entry in parse(self.part(bytes.fromhex(page), LISTING), folder, "entries version")["entries"]:
            name = self.attempt(self.safe_name, f"{folder}: {str(entry)[:120]}", entry, folder, lost=3)
            if name:
                self.attempt(self.restore_entry, os.path.join(folder, name), entry, lost=3)

    def restore_entry(self, path: str, entry: Json) -> None:
        if entry["kind"] == "file":
            return self.restore_file(path, entry)
        if entry["kind"] == "folder":
            if os.path.islink(path) or not os.path.isdir(path):
                os.mkdir(path, 0o700)
            self.todo.append((path, list(entry["parts"])))
        self.late.append((path, entry))

    def restore_file(self, path: str, entry: Json) -> None:
        if os.path.lexists(path):
            raise FileExistsError("exists already, and is left as it is")
        temporary, digest = os.path.join(os.path.dirname(path), f".recover-{os.getpid()}.tmp"), hashlib.sha256()
        try:
            with open(temporary, "xb") as stream:
                for part in entry["parts"]:
                    data = self.part(bytes.fromhex(part), CONTENT)
                    digest.update(data)
                    stream.write(data)
                need(stream.tell() == entry["size"] and digest.hexdigest() == entry["sha256"], "wrong size or SHA-256")
            os.rename(temporary, path)
        finally:
            if os.path.lexists(temporary):
                os.remove(temporary)
        self.attempt(self.finish, path, entry)
        self.files, self.bytes = self.files + 1, self.bytes + entry["size"]

    def finish(self, path: str, entry: Json) -> None:
        """Make a link, or set the time and mode of what is there."""
        if entry["kind"] == "link":
            return os.symlink(os.fsdecode(entry["target"].encode("utf-8", "surrogateescape")), path)
        os.utime(path, ns=(entry["mtime"], entry["mtime"]))
        os.chmod(path, entry["mode"] & 0o777)

    def safe_name(self, where: str, entry: Json, folder: str) -> str:
        """Return a name that stays in its folder and that the system can take; say so where it is another one."""
        extra = {"facts", "unsettled", "xattrs"} if entry["kind"] == "file" else set()
        need(entry.keys() - extra == {"kind", "mode", "mtime", "name", *ENTRY[entry["kind"]].split()}, "wrong fields")
        name = re.sub(NO_NAME, r"_\g<0>", re.sub(UNSAFE, "_", entry["name"]))
        if name != entry["name"]:
            say(f"{folder}: {entry['name']!r} is restored as {name!r}", sys.stderr)
        return os.fsdecode(name.encode("utf-8", "surrogateescape"))


def secret_source(options: argparse.Namespace) -> tuple[str, Callable[[Json], bytes]]:
    """Return the kind of the secret and the function that makes it for a slot."""
    name = options.words_file or options.password_file
    need(os.path.isfile(name) if name else sys.stdin.isatty(), "No secret: give --words-file or --password-file.", 2)
    raw = read(name) if name else getpass.getpass("Password of the vault: ").encode()
    if options.words_file:
        secret = secret_of_words(raw.replace(b"\0", b"").decode("ascii", "ignore"))  # NUL: a file in UTF-16
        return "words", lambda slot: secret
    password = unicodedata.normalize("NFC", raw.decode("utf-8-sig").rstrip("\r\n")).encode()
    return "password", lambda slot: argon2id(password, slot["salt"], **slot["kdf"])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("vault", metavar="VAULT")
    parser.add_argument("out", metavar="OUT", nargs="?")
    parser.add_argument("--list", action="store_true")
    for option in ("--snapshot", "--words-file", "--password-file"):
        parser.add_argument(option, default="")
    options = parser.parse_args()
    inside, out = (os.path.join(os.path.realpath(path or os.sep), "") for path in (options.vault, options.out))
    need(options.list or (options.out and not out.startswith(inside)), "Give --list, or OUT: a folder outside VAULT", 2)
    vault = Vault(options.vault)
    vault.unlock(*secret_source(options))
    pattern = "snapshots/" + glob.escape(options.snapshot.lower()) + HEX * (64 - len(options.snapshot))
    found = sorted((one for _, one in vault.each(pattern, vault.read_snapshot, lost=13)), key=lambda one: one["text"])
    if options.list:
        for snapshot in found:
            say(snapshot["text"])
        return vault.code
    need(len(found) == 1 or (found and not options.snapshot), "No such snapshot: see --list.", vault.code or 2)
    vault.find_parts()
    vault.restore(out, found[-1]["root"])
    say(f"{vault.files} files restored to {out}." + " SOME ARE MISSING: see the messages above." * (vault.code > 0))
    return vault.code


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
    except (EOFError, OSError, ValueError, MemoryError) as error:
        sys.exit(f"recover.py: {error}")
