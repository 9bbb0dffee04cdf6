"""Login with one token for everybody: a page asks for it, a cookie remembers that it was right."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

from bokeh.server.auth_provider import AuthProvider
from tornado.web import HTTPError, RequestHandler

from livebragg.errors import ConfigError

logger = logging.getLogger(__name__)

SHORTEST = 16
LONGEST = 1000
COOKIE_DAYS = 1
WRONG_DELAY_S = 1.0
"""Whoever tries tokens has to wait."""

_OWN_PAGE = re.compile(r"/(?![/\\])[\x21-\x7e]*")
"""A page of this server. Browsers leave tabs out, so that "/<tab>/evil.example" would lead elsewhere."""

_PAGE = (Path(__file__).parents[1] / "templates" / "login.html").read_text(encoding="utf-8")


def read_token(path: str) -> str:
    """The token in a file.

    Raises
    ------
    ConfigError
        The file cannot be read, or holds no token.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")[: LONGEST + 2].strip()
        shared = Path(path).stat().st_mode & 0o077
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise ConfigError(f"dashboard.token_file {path}: {reason}") from None
    if not (SHORTEST <= len(text) <= LONGEST and text.isprintable()):
        raise ConfigError(
            f"dashboard.token_file {path} holds {len(text)} characters; a token is one line of {SHORTEST} to "
            f"{LONGEST} printable ones"
        )
    if shared:
        logger.warning("dashboard.token_file %s can be read by others; run: chmod 600 %s", path, path)
    return text


class TokenAuth(AuthProvider):
    """Bokeh asks it whether a request comes from somebody who knows the token.

    Parameters
    ----------
    token : str
        The secret.
    """

    def __init__(self, token: str) -> None:
        self._token = token.encode()
        self._proof = self._sign(b"cookie")
        self.cookie = "livebragg-" + self._sign(b"name")[:8]
        super().__init__()

    def _sign(self, words: bytes) -> str:
        return hmac.new(self._token, b"livebragg dashboard: " + words, hashlib.sha256).hexdigest()

    @property
    def get_user(self) -> Any:
        """Tells who asks; ``None`` who is not logged in."""
        return self._user

    def _user(self, handler: Any) -> str | None:
        given = str(handler.get_cookie(self.cookie, ""))
        return "viewer" if hmac.compare_digest(given.encode(), self._proof.encode()) else None

    def log_in(self, handler: RequestHandler, given: str) -> bool:
        """Set the cookie when the token is right."""
        if not hmac.compare_digest(given.strip().encode(errors="replace"), self._token):
            return False
        handler.set_cookie(self.cookie, self._proof, expires_days=COOKIE_DAYS, httponly=True, samesite="Lax")
        return True

    @property
    def login_url(self) -> str:
        """Where the token is asked for."""
        return "/login"

    @property
    def login_handler(self) -> type[RequestHandler]:
        """The page that asks."""
        return Login

    get_user_async = get_login_url = logout_handler = logout_url = property(lambda self: None)


class Login(RequestHandler):
    """Asks for the token."""

    def get(self) -> None:
        """The form."""
        self._ask("", 200)

    async def post(self) -> None:
        """Back to the page with a cookie, or the form again."""
        self._check_origin()
        if not self.application.auth_provider.log_in(self, self.get_body_argument("token", "")):  # type: ignore[attr-defined]
            await asyncio.sleep(WRONG_DELAY_S)
            self._ask("This is not the token.", 403)
            return
        target = self.get_query_argument("next", "/")
        self.redirect(target if _OWN_PAGE.fullmatch(target) else "/")

    def _check_origin(self) -> None:
        origin = self.request.headers.get("Origin")
        if origin and urlparse(origin).netloc.lower() not in self.application.websocket_origins:  # type: ignore[attr-defined]
            raise HTTPError(403)

    def _ask(self, problem: str, status: int) -> None:
        self.set_status(status)
        self.set_header("Cache-Control", "no-store")
        self.set_header("X-Frame-Options", "DENY")
        self.write(_PAGE.replace("{problem}", problem))
