"""What logs in: from the environment, then the keyring; and errors of services in words."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from photovault.errors import MissingError, RefusedError, StorageError, UnavailableError, UsageError
from photovault.storage.addresses import parse_address
from photovault.storage.opening import open_storage
from photovault.storage.remote.locking import sign
from photovault.storage.remote.services import service_of
from tests.support.proxy import Proxy, Request
from tests.support.remote import access
from tests.support.servers import KEY, SECRET, SeaweedFS, identity

if TYPE_CHECKING:
    from pathlib import Path

AWS = {"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "key"}
CASES = [
    ("s3://b", AWS, "id:key", {"access_key_id": "id", "secret_access_key": "key"}),
    ("webdav://me@h/x", {"PHOTOVAULT_WEBDAV_PASSWORD": "pw"}, "pw", {"username": "me", "password": "pw"}),
    (
        "b2://b?bucket_id=i",
        {"B2_APPLICATION_KEY_ID": "id", "B2_APPLICATION_KEY": "key"},
        "id:key",
        {"application_key_id": "id", "application_key": "key", "bucket_id": "i"},
    ),
    ("azure://c?account=a", {"AZURE_STORAGE_KEY": "a2V5"}, "a2V5", {"account_name": "a", "account_key": "a2V5"}),
    ("gdrive://x", {"GDRIVE_ACCESS_TOKEN": "t"}, "t", {"access_token": "t"}),
    (
        "dropbox://x",
        {"DROPBOX_CLIENT_ID": "i", "DROPBOX_CLIENT_SECRET": "s", "DROPBOX_REFRESH_TOKEN": "r"},
        "i:s:r",
        {"client_id": "i", "client_secret": "s", "refresh_token": "r"},
    ),
    ("onedrive://x", {"ONEDRIVE_ACCESS_TOKEN": "t"}, "t", {"access_token": "t"}),
]


@pytest.mark.parametrize(("url", "environ", "secret", "options"), CASES, ids=[url for url, *_ in CASES])
def test_credentials_come_from_the_environment_or_the_keyring(
    url: str, environ: dict[str, str], secret: str, options: dict[str, str]
) -> None:
    address = parse_address(url)
    asked: list[str] = []

    def keyring(shown: str) -> str:
        asked.append(shown)
        return secret

    by_environment = service_of(address, access(environ=environ))
    by_keyring = service_of(address, access(environ={}, secret=keyring))
    assert options.items() <= by_environment.options.items()
    assert by_environment == by_keyring
    assert asked == [address.shown]


@pytest.mark.parametrize("url", [url for url, *_ in CASES if not url.startswith("s3")])
def test_nothing_to_log_in_with_says_what_to_set(url: str) -> None:
    with pytest.raises(UsageError) as caught:
        open_storage(url, access(environ={}))
    assert "keyring set photovault" in caught.value.hint


@pytest.mark.parametrize("url", [url for url, *_ in CASES] + ["gs://b/p"])
def test_every_service_can_be_opened(url: str) -> None:
    environ = {name: value for _, given, _, _ in CASES for name, value in given.items()}
    assert open_storage(url, access(environ=environ)).address == parse_address(url).shown


def test_nobody_but_the_endpoint_is_asked_for_keys() -> None:
    for url in ("s3://b", "gs://b"):
        options = service_of(parse_address(url), access(environ={})).options
        assert options.get("disable_ec2_metadata", options.get("disable_vm_metadata")) == "true"


def test_a_request_is_signed_as_amazon_does_it() -> None:
    """The example of docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html, GET Object."""
    keys = {"access_key_id": "AKIAIOSFODNN7EXAMPLE", "secret_access_key": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}
    url, now = "https://examplebucket.s3.amazonaws.com/test.txt", datetime(2013, 5, 24, tzinfo=UTC)
    signed = sign("GET", url, {"range": "bytes=0-9"}, b"", keys=keys, region="us-east-1", now=now)
    assert signed["authorization"].endswith("f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41")


@pytest.mark.parametrize(
    ("status", "body", "kind", "words"),
    [
        (403, "<Error><Code>QuotaExceeded</Code></Error>", RefusedError, "has no room for a: QuotaExceeded"),
        (507, "", RefusedError, "has no room for a: HTTP status 507"),
        (403, "<Error><Code>RequestTimeTooSkewed</Code></Error>", RefusedError, "refused a: RequestTimeTooSkewed"),
        (404, "<Error><Code>NoSuchBucket</Code></Error>", RefusedError, "is not there: NoSuchBucket"),
        (404, "<Error><Code>NoSuchKey</Code></Error>", MissingError, "a is not in"),
        (429, "", UnavailableError, "failed at a"),
        (503, "<Error><Code>SlowDown</Code></Error>", UnavailableError, "SlowDown"),
        (500, "\x1b[2J <Code>secret\x07", UnavailableError, "HTTP status 500"),
    ],
)
@pytest.mark.parametrize("locked", [False, True])
def test_answers_of_services_become_errors_that_say_what_to_do(
    seaweedfs: SeaweedFS, status: int, body: str, kind: type[StorageError], words: str, locked: bool
) -> None:
    with Proxy(seaweedfs.port) as proxy:
        proxy.answer = (status, body.encode())
        here = access(environ=AWS, object_lock_days=int(locked))
        with pytest.raises(StorageError) as caught:
            open_storage(seaweedfs.url("x", proxy.port), here).put("a", b"x")
    assert type(caught.value) is kind
    assert words in caught.value.what
    assert caught.value.what.isprintable()
    assert caught.value.hint or kind is MissingError


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> SeaweedFS:
    """A store with a bucket under lock, one where nobody may delete, and a key that may do little."""
    server = SeaweedFS(
        tmp_path_factory.mktemp("store"), [identity(), identity("little", "little", ("Read", "List", "Write"))]
    )
    yield server
    server.kill()


def ask(store: SeaweedFS, path: str, query: str, headers: dict[str, str] | None = None, data: bytes = b"") -> bytes:
    """A request of the owner of the store that photovault itself never makes."""
    import http.client

    url = f"http://127.0.0.1:{store.port}{path}?{query}"
    keys = {"access_key_id": KEY, "secret_access_key": SECRET}
    method = "GET" if query == "retention" else "PUT"
    signed = sign(method, url, headers or {}, data, keys=keys, region="us-east-1", now=datetime.now(UTC))
    connection = http.client.HTTPConnection("127.0.0.1", store.port)
    connection.request(method, f"{path}?{query}", data, signed)
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    assert answer.status < 300, text
    return text


def test_objects_under_lock_have_the_date_and_keep_all_promises(store: SeaweedFS) -> None:
    ask(store, "/locked", "", {"x-amz-bucket-object-lock-enabled": "true"})
    environ = {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET}
    here = access(environ=environ, object_lock_days=3, now=lambda: datetime.now(UTC))
    storage = open_storage(store.url("a b/vault", bucket="locked"), here)
    storage.put("packs/ab/one", b"data")
    storage.put("packs/ab/one", b"data")
    with pytest.raises(RefusedError, match="there already"):
        storage.put("packs/ab/one", b"other")
    assert storage.get("packs/ab/one") == b"data"
    text = ask(store, "/locked/a%20b/vault/packs/ab/one", "retention").decode()
    assert "<Mode>COMPLIANCE</Mode>" in text
    until = datetime.fromisoformat(text.split("<RetainUntilDate>")[1].split("<")[0])
    assert 2.9 < (until - datetime.now(UTC)).total_seconds() / 86_400 < 3.1


def test_a_bucket_without_lock_says_so(store: SeaweedFS) -> None:
    environ = {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET}
    storage = open_storage(store.url("x"), access(environ=environ, object_lock_days=3))
    with pytest.raises(RefusedError, match="does not take object_lock_days") as caught:
        storage.put("a", b"x")
    assert "object lock" in caught.value.hint


def test_a_key_that_may_not_delete_is_told_and_nothing_is_lost(store: SeaweedFS) -> None:
    rule = {"Effect": "Deny", "Principal": "*", "Action": "s3:DeleteObject", "Resource": "arn:aws:s3:::photos/keep/*"}
    ask(store, "/photos", "policy", data=json.dumps({"Version": "2012-10-17", "Statement": [rule]}).encode())
    environ = {"AWS_ACCESS_KEY_ID": "little", "AWS_SECRET_ACCESS_KEY": "little"}
    storage = open_storage(store.url("keep"), access(environ=environ))
    storage.put("a", b"x")
    with pytest.raises(RefusedError, match="refused a: AccessDenied"):
        storage.delete("a")
    assert storage.get("a") == b"x"


def test_a_request_that_is_only_asked_for_is_not_sent(seaweedfs: SeaweedFS) -> None:
    """Opening a storage asks nothing: `photovault --help` and a wrong password cost no request."""
    with Proxy(seaweedfs.port) as proxy:
        open_storage(seaweedfs.url("x", proxy.port), access(environ=AWS))
        assert proxy.requests == list[Request]()


def test_leftovers_of_broken_uploads_are_never_listed_and_go_after_a_day(
    webdav_url: str, webdav, tmp_path: Path
) -> None:
    import os

    storage = open_storage(webdav_url, access())
    storage.put("a", b"x")
    tmp = webdav.folder / "data" / tmp_path.name / "vault" / "tmp"
    for name, age in (("old", 2 * 86_400), ("young", 3_600)):
        (tmp / name).write_bytes(b"half of something")
        moment = datetime.now(UTC).timestamp() - age
        os.utime(tmp / name, (moment, moment))
    assert [one.name for one in storage.listing("")] == ["a"]
    open_storage(webdav_url, access()).put("b", b"y")
    assert os.listdir(tmp) == ["young"]
