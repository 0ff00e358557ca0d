"""The pages for somebody who is not signed in, as HTML, and what their forms send."""

import asyncio
from typing import Any, Final
from urllib.parse import parse_qs

from aiohttp import web

from stripeline.deploy.console.auth.local_address import local_address
from stripeline.deploy.console.rendering import templates

_MAX_FORM_BYTES: Final = 8_192
_FORM_DEADLINE_S: Final = 10.0


def open_page(template: str, status: int, path: str, **values: Any) -> web.Response:
    """A page without navigation: a template of the sign-in, and its values."""
    text = templates().get_template(template).render(
        **values, navigation=(), path=path, identity=None, catch_up=None, missing=None, sign_out=None
    )  # fmt: skip
    return web.Response(status=status, text=text, content_type="text/html")


def challenge_page(request: web.Request, template: str, status: int, **values: Any) -> web.Response:
    """What somebody who is not signed in gets for any address.

    A link of another site, such as a chat, arrives without the cookie, which is `SameSite=Strict`. The page then loads
    itself once more; now the request comes from the console's own page, and has the cookie. A GET changes nothing.
    """
    headers = request.headers
    if request.method == "GET" and headers.get("Sec-Fetch-Site") in {"cross-site", "same-site"}:
        return open_page("sign_in_again.html", status, request.path)
    response = open_page(template, status, request.path, next=where_next(request), **values)
    if headers.get("HX-Request") == "true":
        response.headers["HX-Refresh"] = "true"  # a part of a page can't sign in: htmx loads the page
    return response


def too_many(request: web.Request, wait_s: float) -> web.Response:
    """The page that says when to try again."""
    seconds = max(1, round(wait_s + 0.5))
    response = open_page("sign_in_too_many.html", 429, request.path, seconds=seconds)
    response.headers["Retry-After"] = str(seconds)
    return response


def where_next(request: web.Request) -> str:
    """The address that was asked for. What a POST asked for can't be asked by GET."""
    return local_address(request.path_qs) if request.method == "GET" else "/"


async def form_of(request: web.Request) -> dict[str, str]:
    """The fields of a small form, the last of each name. Raises HTTPException."""
    raw = b""
    try:
        async with asyncio.timeout(_FORM_DEADLINE_S):
            while piece := await request.content.read(_MAX_FORM_BYTES):
                raw += piece
                if len(raw) > _MAX_FORM_BYTES:
                    raise web.HTTPRequestEntityTooLarge(_MAX_FORM_BYTES, len(raw))
    except TimeoutError:
        raise web.HTTPRequestTimeout from None
    try:
        found = parse_qs(raw.decode(errors="replace"), keep_blank_values=True, max_num_fields=20)
    except ValueError:
        raise web.HTTPBadRequest from None
    return {name: values[-1] for name, values in found.items()}


def peer_of(request: web.Request) -> str:
    """The connection's address; never what a header says of it."""
    transport = request.transport
    name = None if transport is None else transport.get_extra_info("peername")
    return str(name[0]) if isinstance(name, tuple) and name else ""
