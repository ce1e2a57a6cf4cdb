"""The reader of HTTP requests and the site behind it, without a network."""

from __future__ import annotations

import os
from http import HTTPStatus
from pathlib import Path

import pytest

pytest.importorskip("httptools", reason="the HTTP example needs httptools")

from examples.http_service import Continue, Limits, Refusal, Request, RequestReader, Site

LIMITS = Limits(head=256, body=1000)


def read(*pieces: bytes, limits: Limits = LIMITS) -> list[Request | Continue | Refusal]:
    reader = RequestReader(limits)
    return [item for piece in pieces for item in reader.feed(piece)]


def get(path: str, method: str = "GET", version: str = "1.1", keep_alive: bool = True) -> Request:
    return Request(method, path, version, keep_alive, b"")


def post(body: bytes) -> Request:
    return Request("POST", "/echo", "1.1", True, body)


def in_pieces(data: bytes, size: int) -> list[bytes]:
    return [data[i : i + size] for i in range(0, len(data), size)]


CONVERSATION = (
    b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
    b"\r\n"  # an empty line in front of a request is passed over (RFC 9112, 2.2)
    b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"
    b"HEAD /b?c=d HTTP/1.1\r\nhost:x\r\n\r\n"
    b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"3;note=1\r\nabc\r\nB\r\ndefghijklmn\r\n0\r\nTrailer: yes\r\n\r\n"
    b"POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-Continue\r\nContent-Length: 2\r\n\r\nok"
    b"GET http://x:80/c HTTP/1.1\r\nHost: x\r\n\r\n"
    b"GET /d HTTP/1.0\r\n\r\n"
)
ITEMS = [
    get("/a"),
    post(b"hello"),
    get("/b", "HEAD"),
    post(b"abcdefghijklmn"),
    Continue(),
    post(b"ok"),
    get("/c"),
    get("/d", version="1.0", keep_alive=False),
]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 50, 255, 256, 257, 1000])
def test_requests_in_pieces_of_any_size(size: int) -> None:
    assert read(*in_pieces(CONVERSATION, size)) == ITEMS


def test_nothing_is_read_after_the_last_request() -> None:
    assert read(CONVERSATION, b"GET /e HTTP/1.1\r\nHost: x\r\n\r\n") == ITEMS
    closing = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\nGET /e HTTP/1.1\r\nHost: x\r\n\r\n"
    assert read(closing, b"garbage") == [get("/", keep_alive=False)]
    keeping = b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
    assert read(keeping) == [get("/", version="1.0")]


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"\x16\x03\x01\x02\x00", HTTPStatus.BAD_REQUEST),
        (b"GET / HTTP/1.1\r\nHost x\r\n\r\n", HTTPStatus.BAD_REQUEST),
        (b"GET / HTTP/1.1\r\n\r\n", HTTPStatus.BAD_REQUEST),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", HTTPStatus.BAD_REQUEST),
        (b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", HTTPStatus.BAD_REQUEST),
        (
            b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            HTTPStatus.BAD_REQUEST,
        ),
        (
            b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
            HTTPStatus.BAD_REQUEST,
        ),
        (b"GET / HTTP/2.0\r\nHost: x\r\n\r\n", HTTPStatus.HTTP_VERSION_NOT_SUPPORTED),
        (b"GET /\r\n\r\n", HTTPStatus.HTTP_VERSION_NOT_SUPPORTED),
        (b"GET / HTTP/1.1\r\nHost: x\r\nExpect: a-miracle\r\n\r\n", HTTPStatus.EXPECTATION_FAILED),
    ],
)
@pytest.mark.parametrize("size", [1, 1000])
def test_what_is_wrong_is_refused_once(data: bytes, status: HTTPStatus, size: int) -> None:
    follows = b"GET /next HTTP/1.1\r\nHost: x\r\n\r\n"
    assert read(*in_pieces(data + follows, size), follows) == [Refusal(status)]


def head_of(size: int) -> bytes:
    """A head that counts as so many bytes: the target, and each name and value with four more."""
    return b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * (size - 1 - 9 - 5) + b"\r\n\r\n"


@pytest.mark.parametrize("size", [1, 64, 5000])
def test_a_head_has_a_limit(size: int) -> None:
    limits = Limits(head=2000)
    too_large = [Refusal(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)]
    assert read(*in_pieces(head_of(2001), size), limits=limits) == too_large
    assert read(*in_pieces(head_of(1900), size), limits=limits) == [get("/")]
    assert read(*in_pieces(head_of(1900) * 5, size), limits=limits) == [get("/")] * 5


@pytest.mark.parametrize(
    "start",
    [
        b"GET /",
        b"GET / HTTP/1.1\r\nHost: x\r\nX",
        b"GET / HTTP/1.1\r\nHost: x\r\nX: y",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1;x=",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nz\r\n0\r\nTrailer: ",
    ],
)
def test_nothing_that_does_not_end_is_kept_for_ever(start: bytes) -> None:
    reader = RequestReader(LIMITS)
    assert reader.feed(start) == []
    fed = 0
    while not (items := reader.feed(b"a" * 50)):
        fed += 50
        assert fed < 3 * LIMITS.head
    assert items == [Refusal(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)]


def test_a_body_has_a_limit() -> None:
    head = b"POST /echo HTTP/1.1\r\nHost: x\r\n"
    too_large = [Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)]
    body = b"x" * 1000
    assert read(head + b"Content-Length: 1000\r\n\r\n" + body) == [post(body)]
    assert read(head + b"Content-Length: 1001\r\n\r\n") == too_large
    assert read(head + b"Content-Length: 1001\r\nExpect: 100-continue\r\n\r\n") == too_large
    chunked = head + b"Transfer-Encoding: chunked\r\n\r\n"
    assert read(chunked + b"1\r\nx\r\n" * 1000 + b"0\r\n\r\n") == [post(body)]
    assert read(chunked + b"1\r\nx\r\n" * 1001) == too_large


def test_an_upgrade_is_passed_over_and_hides_no_request() -> None:
    head = b"POST /echo HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n"
    hidden = b"GET /hidden HTTP/1.1\r\nHost: x\r\n\r\n"
    assert read(head + b"\r\n" + hidden) == [Request("POST", "/echo", "1.1", False, b"")]
    refused = [Refusal(HTTPStatus.NOT_IMPLEMENTED)]
    assert read(head + b"Content-Length: %d\r\n\r\n" % len(hidden) + hidden) == refused
    tunnel = b"CONNECT example:443 HTTP/1.1\r\nHost: example\r\n\r\n"
    assert read(tunnel + hidden) == [Request("CONNECT", "", "1.1", False, b"")]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    (root / "sub").mkdir(parents=True)
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "root-2").mkdir()
    (tmp_path / "root-2" / "secret").write_text("secret")
    (root / "a b.txt").write_text("text")
    (root / "sub" / "index.html").write_text("<p>index</p>")
    (root / "packed.txt.gz").write_bytes(b"\x1f\x8b")
    return root


@pytest.mark.parametrize(
    ("path", "content", "kind"),
    [
        ("/a%20b.txt", b"text", "text/plain"),
        ("/sub", b"<p>index</p>", "text/html"),
        ("/sub/", b"<p>index</p>", "text/html"),
        ("/sub/../a%20b.txt", b"text", "text/plain"),
        ("/packed.txt.gz", b"\x1f\x8b", "application/octet-stream"),
    ],
)
def test_files(root: Path, path: str, content: bytes, kind: str) -> None:
    response = Site(root).answer(get(path))
    assert response.file is not None
    with response.file as file:
        assert (response.status, response.content_type) == (HTTPStatus.OK, kind)
        assert file.read() == content
        assert response.size == len(content)


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/none",
        "/../secret",
        "/%2e%2e/secret",
        "/..%2fsecret",
        "/sub/../../secret",
        "/../root-2/secret",
        "//etc/hostname",
        "/sub/\\..\\..\\..\\secret",
        "/..\\secret",
        "/C:/windows/win.ini",
        "/NUL",
        "/%00",
        "/a%00b",
        "/" + "x" * 300,
        "*",
        "",
    ],
)
def test_what_is_no_file_below_the_root_is_not_found(root: Path, path: str) -> None:
    for method in ("GET", "HEAD", "POST"):
        assert Site(root).answer(get(path, method)).status == HTTPStatus.NOT_FOUND


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_links_out_of_the_root_and_special_files_are_not_found(root: Path) -> None:
    (root / "link").symlink_to(root.parent / "secret")
    (root / "up").symlink_to(root.parent, target_is_directory=True)
    (root / "loop").symlink_to(root / "loop")
    (root / "inside").symlink_to(root / "a b.txt")
    os.mkfifo(root / "pipe")
    site = Site(root)
    for path in ("/link", "/up/secret", "/loop", "/pipe"):
        assert site.answer(get(path)).status == HTTPStatus.NOT_FOUND
    response = site.answer(get("/inside"))
    assert response.file is not None
    response.file.close()


def test_methods_that_are_not_allowed(root: Path) -> None:
    site = Site(root)
    for request, allowed in [
        (post(b""), None),
        (get("/echo"), "POST, PUT"),
        (get("/hello", "POST"), "GET, HEAD"),
        (get("/sub/", "DELETE"), "GET, HEAD"),
    ]:
        response = site.answer(request)
        assert dict(response.headers).get("Allow") == allowed
        assert (response.status == HTTPStatus.METHOD_NOT_ALLOWED) is (allowed is not None)


def test_a_root_that_is_none(tmp_path: Path) -> None:
    assert Site().answer(get("/index.html")).status == HTTPStatus.NOT_FOUND
    with pytest.raises(NotADirectoryError, match="no directory"):
        Site(tmp_path / "missing")
