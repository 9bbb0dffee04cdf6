"""A server with a token shows nothing to who does not know it, on no way."""

from __future__ import annotations

import http.client
import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlencode

import pytest
from browser import dashboard

from livebragg.errors import ConfigError
from livebragg_dashboards.server.login import TokenAuth, read_token

TEXT_FRAME = b"\x81"
TOKEN = "a-token-of-a-good-length-µ"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    path = tmp_path_factory.mktemp("token") / "token"
    path.write_text(TOKEN + "\n", encoding="utf-8")
    path.chmod(0o600)
    with dashboard("tcp://127.0.0.1:1", "tcp://127.0.0.1:2", "--token-file", str(path)) as url:
        yield url.removeprefix("http://").rstrip("/")


def ask(address: str, method: str, path: str, body: str = "", **headers: str) -> tuple[int, str, dict[str, str]]:
    connection = http.client.HTTPConnection(address, timeout=20)
    connection.request(method, path, body or None, headers)
    response = connection.getresponse()
    text, told = response.read().decode(), dict(response.getheaders())
    connection.close()
    return response.status, text, told


def log_in(address: str, token: str, path: str = "/login", **headers: str) -> tuple[int, str, dict[str, str]]:
    return ask(address, "POST", path, urlencode({"token": token}), **FORM, **headers)


def cookie_of(address: str) -> str:
    status, _, headers = log_in(address, TOKEN)
    assert status == 302 and headers["Location"] == "/"
    assert "HttpOnly" in headers["Set-Cookie"] and "SameSite=Lax" in headers["Set-Cookie"]
    return headers["Set-Cookie"].split(";")[0]


@pytest.mark.parametrize("path", ["/", "/?view", "/autoload.js?bokeh-autoload-element=x", "/metadata"])
def test_without_the_token_every_way_in_leads_to_the_login_page(address: str, path: str) -> None:
    status, text, headers = ask(address, "GET", path)
    assert (status == 302 and headers["Location"].startswith("/login")) or status == 403
    assert "window.livebragg" not in text
    status, text, _ = ask(address, "GET", "/login")
    assert status == 200 and 'name="token"' in text


def test_with_the_token_the_page_comes_and_the_cookie_is_not_written_into_it(address: str) -> None:
    cookie = cookie_of(address)
    status, text, _ = ask(address, "GET", "/", Cookie=cookie)
    assert status == 200 and "window.livebragg" in text
    assert TOKEN not in text and cookie.split("=")[1] not in text
    assert TOKEN not in cookie


@pytest.mark.parametrize("token", ["", "wrong", TOKEN[:-1], TOKEN + "x", "<script>", "\0" * 50])
def test_a_wrong_token_is_403(address: str, token: str) -> None:
    status, text, headers = log_in(address, token)
    assert status == 403 and "not the token" in text and "Set-Cookie" not in headers
    assert "<script>" not in text


def test_a_forged_cookie_opens_nothing(address: str) -> None:
    name, _ = cookie_of(address).split("=")
    for value in ("", "viewer", "0" * 64, "é"):
        assert ask(address, "GET", "/", Cookie=f"{name}={value}".encode().decode("latin-1"))[0] == 302


def test_login_from_another_address_is_403_and_does_not_lead_elsewhere(address: str) -> None:
    assert log_in(address, TOKEN, Origin="http://evil.example")[0] == 403
    assert log_in(address, TOKEN, Origin=f"http://{address}")[0] == 302
    for target in ("http://evil.example/", "//evil.example/", "/\\evil.example", "/\t/evil.example"):
        assert log_in(address, TOKEN, f"/login?{urlencode({'next': target})}")[2]["Location"] == "/"
    assert log_in(address, TOKEN, "/login?next=%2F%3Fview")[2]["Location"] == "/?view"


def test_the_websocket_wants_the_cookie_too(address: str) -> None:
    """The token of Bokeh in the page is no secret: it is not signed."""
    cookie = cookie_of(address)
    _, page, _ = ask(address, "GET", "/", Cookie=cookie)
    found = re.search(r'"token":"([^"]+)"', page)
    assert found

    upgrade = {
        "Origin": f"http://{address}", "Upgrade": "websocket", "Connection": "Upgrade",
        "Sec-WebSocket-Key": "bGl2ZWJyYWdnIDEyMzQ1Ng==", "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Protocol": f"bokeh, {found[1]}",
    }  # fmt: skip

    def first_byte(**headers: str) -> bytes:
        with closing(http.client.HTTPConnection(address, timeout=20)) as connection:
            connection.request("GET", "/ws", headers=upgrade | headers)
            with closing(connection.getresponse()) as response:
                return response.fp.read1(1) if response.status == 101 else b""

    assert first_byte(Cookie=cookie) == TEXT_FRAME
    assert first_byte() != TEXT_FRAME


@pytest.mark.parametrize("text", ["", "short", "x" * 1001, "two lines of text\nand more"])
def test_a_file_without_a_good_token_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "token").write_text(text)
    with pytest.raises(ConfigError, match="16 to"):
        read_token(str(tmp_path / "token"))
    with pytest.raises(ConfigError, match="No such file"):
        read_token(str(tmp_path / "none"))


def test_another_token_makes_another_cookie() -> None:
    one, other = TokenAuth("a" * 16), TokenAuth("b" * 16)
    assert one.cookie != other.cookie


def test_a_token_that_others_can_read_is_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "token"
    path.write_text("a token long enough")
    path.chmod(0o644)
    assert read_token(str(path)) == "a token long enough"
    assert f"chmod 600 {path}" in caplog.text
    caplog.clear()
    path.chmod(0o600)
    read_token(str(path))
    assert caplog.text == ""
