"""Storing an S3 object with a date before which nobody may remove it (object lock, compliance mode).

OpenDAL cannot send the two headers that this takes, so the request is made here: one PUT, signed with AWS Signature
Version 4 (docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html), never over an object that is there.
Guarantee, if the bucket was made with object lock and the store keeps its word: until the date this version of the object
can be removed by nobody, not by this key, not by the owner of the account.  Not guaranteed: that a listing shows it; who
may delete can put a marker over it, which the provider's own tools take away again.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from photovault.errors import RefusedError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_ANSWER_MAX = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Locker:
    """Puts objects under lock.

    Attributes:
        base: URL of the bucket's prefix, no slash at its end.
        region: of the bucket.
        keys: ``access_key_id``, ``secret_access_key`` and perhaps ``session_token``.
        days: for how long.
        now: the time of day, with its zone.
        timeout: seconds that a request may take.
    """

    base: str
    region: str
    keys: Mapping[str, str]
    days: int
    now: Callable[[], datetime]
    timeout: float

    def put(self, name: str, data: bytes) -> tuple[int, str]:
        """Store an object that is not there; returns the HTTP status and S3's word for what was wrong.

        Raises:
            UnavailableError: there was no answer.
        """
        now = self.now().astimezone(UTC)
        until = (now + timedelta(days=self.days)).strftime("%Y-%m-%dT%H:%M:%SZ")
        headers = {
            "content-md5": base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode(),
            "if-none-match": "*",
            "x-amz-object-lock-mode": "COMPLIANCE",
            "x-amz-object-lock-retain-until-date": until,
        }
        url = f"{self.base}/{quote(name)}"
        signed = sign("PUT", url, headers, data, keys=self.keys, region=self.region, now=now)
        return _send(url, data, signed, self.timeout)


def sign(
    method: str,
    url: str,
    headers: Mapping[str, str],
    data: bytes,
    *,
    keys: Mapping[str, str],
    region: str,
    now: datetime,
) -> dict[str, str]:
    """The headers of a request, with those that prove who sends it; header names in lower case, ``now`` in UTC."""
    parts, time = urlsplit(url), now.strftime("%Y%m%dT%H%M%SZ")
    digest = hashlib.sha256(data).hexdigest()
    all_headers = {**headers, "host": parts.netloc, "x-amz-content-sha256": digest, "x-amz-date": time}
    if "session_token" in keys:
        all_headers["x-amz-security-token"] = keys["session_token"]
    names = ";".join(sorted(all_headers))
    lines = "".join(f"{name}:{all_headers[name].strip()}\n" for name in sorted(all_headers))
    request = f"{method}\n{parts.path or '/'}\n{_sorted(parts.query)}\n{lines}\n{names}\n{digest}"
    scope = f"{time[:8]}/{region}/s3/aws4_request"
    text = f"AWS4-HMAC-SHA256\n{time}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
    key = f"AWS4{keys['secret_access_key']}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    proof = hmac.digest(key, text.encode(), "sha256").hex()
    credential = f"{keys['access_key_id']}/{scope}"
    all_headers["authorization"] = f"AWS4-HMAC-SHA256 Credential={credential},SignedHeaders={names},Signature={proof}"
    return all_headers


def _sorted(query: str) -> str:
    return "&".join(sorted(part if "=" in part else f"{part}=" for part in query.split("&") if part))


def _send(url: str, data: bytes, headers: Mapping[str, str], timeout: float) -> tuple[int, str]:
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=timeout)
    try:
        connection.request("PUT", parts.path, data, dict(headers))
        answer = connection.getresponse()
        found = re.search(rb"<Code>(\w{1,60})</Code>", answer.read(_ANSWER_MAX))
        return answer.status, found[1].decode() if found else ""
    except (OSError, http.client.HTTPException) as error:
        why = getattr(error, "strerror", None) or type(error).__name__
        raise UnavailableError(f"{parts.netloc} failed: {why}", "check the network, then run it again") from None
    finally:
        connection.close()


def not_lockable(address: str, code: str) -> RefusedError:
    """The error for a bucket that knows no lock."""
    return RefusedError(
        f"{address} does not take object_lock_days: {code}", "make the bucket with object lock, or set it to 0"
    )
