"""Addresses: taken apart rightly, refused clearly, and never with a secret in them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from photovault.errors import UsageError
from photovault.storage.addresses import Address, parse_address


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        ("/a/b", {"scheme": "file", "path": "/a/b"}),
        ("~/v", {"scheme": "file", "path": "~/v"}),
        ("C:odd", {"scheme": "file", "path": "C:odd"}),
        ("file:///a/b%20c", {"scheme": "file", "path": "/a/b c"}),
        ("file://localhost/a", {"scheme": "file", "path": "/a"}),
        ("s3://Bucket/a/b/", {"scheme": "s3", "host": "Bucket", "path": "/a/b"}),
        (
            "s3://b?endpoint=https://s3.example.com/&region=eu-1",
            {"scheme": "s3", "host": "b", "query": {"endpoint": "https://s3.example.com", "region": "eu-1"}},
        ),
        (
            "s3://b?endpoint=s3.example.com:9",
            {"scheme": "s3", "host": "b", "query": {"endpoint": "https://s3.example.com:9"}},
        ),
        ("sftp://me@host:2222/srv/x", {"scheme": "sftp", "user": "me", "host": "host", "port": 2222, "path": "/srv/x"}),
        ("sftp://[::1]:22/~/x", {"scheme": "sftp", "host": "::1", "port": 22, "path": "/~/x"}),
        ("webdavs://me%40home@cloud/dav", {"scheme": "webdavs", "user": "me@home", "host": "cloud", "path": "/dav"}),
        ("b2://b/p?bucket_id=12ab", {"scheme": "b2", "host": "b", "path": "/p", "query": {"bucket_id": "12ab"}}),
        ("azure://c/p?account=me", {"scheme": "azure", "host": "c", "path": "/p", "query": {"account": "me"}}),
        ("gs://b", {"scheme": "gs", "host": "b"}),
        ("gdrive://Backups/photo%20vault", {"scheme": "gdrive", "path": "/Backups/photo vault"}),
        ("dropbox://", {"scheme": "dropbox"}),
        ("rclone:my remote:a/b/", {"scheme": "rclone", "host": "my remote", "path": "a/b"}),
        ("rclone:x:", {"scheme": "rclone", "host": "x", "path": ""}),
    ],
)
def test_addresses_are_taken_apart(url: str, parts: dict[str, object]) -> None:
    found = parse_address(url)
    wanted = Address(**parts, shown=found.shown)
    assert found == wanted


@pytest.mark.parametrize(
    "url",
    [
        "",
        "a\0b",
        "ftp://host/x",
        "file://elsewhere/a",
        "s3://",
        "s3:///key",
        "s3://b:9/x",
        "s3://b/../c",
        "s3://b/a//c",
        "s3://b?endpoint=ftp://x",
        "s3://b?endpoint=https://x?y=1",
        "s3://b?region=",
        "s3://b?region=a&region=b",
        "s3://b#x",
        "s3://b\n/x",
        "sftp://-oProxyCommand=x/y",
        "sftp://-l@host/y",
        "sftp://host:0/y",
        "sftp://host:99999/y",
        "sftp://host/x?ProxyCommand=y",
        "webdav://[::1/x",
        "rclone:x",
        "rclone:-x:y",
        "rclone:x,pass=secret:y",
        "rclone:x:../y",
        "sftp://host/" + "x" * 5000,
        "s3:/bucket/photos",
        "s3//bucket/photos",
        "S3:bucket",
        "sftp:nas/photos",
        "nas:backup/vault",
        "anna@nas:/backup",
        "gdrive:photos",
    ],
)
def test_what_is_no_address_is_refused_with_the_forms(url: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_address(url)
    assert caught.value.hint


@pytest.mark.parametrize(
    "url",
    [
        "webdav://me:hunter2@host/x",
        "s3://AKIA:hunter2@bucket/x",
        "s3://hunter2@bucket/x",
        "s3://bucket/x?secret_access_key=hunter2",
        "s3://bucket/x?endpoint=https://me:hunter2@host",
        "s3://bucket/x?endpoint=https://hunter2@host",
        "azure://c/x?sas_token=hunter2",
        "nonsense://me:hunter2@host",
        "sftp://me:hunter2@host/x",
    ],
)
def test_secrets_are_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_address(url)
    assert "hunter2" not in caught.value.what + caught.value.hint


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("s3://b/p/", "s3://b/p"),
        ("s3://b?region=r&endpoint=https://h", "s3://b/?endpoint=h&region=r"),
        ("webdav://me@h/a%20b", "webdav://me@h/a b/"),
        ("rclone:x:a/", "rclone:x:a"),
    ],
)
def test_one_place_is_shown_in_one_way(one: str, other: str) -> None:
    assert parse_address(one).shown == parse_address(other).shown


@given(st.text(max_size=60) | st.from_regex(r"(s3|sftp|webdav|gs|rclone):(//)?[ -~]{0,40}", fullmatch=True))
def test_any_text_is_an_address_or_a_clear_error_and_what_is_shown_is_the_same_place(url: str) -> None:
    try:
        found = parse_address(url)
    except UsageError:
        return
    assert parse_address(found.shown) == found
