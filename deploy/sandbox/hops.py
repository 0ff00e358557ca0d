"""Answers of what lies between a caller and Stripe: proxies, gateways, login pages. A table of faults, by name.

None of them is Stripe's: no `error` object, no `Request-Id`. Stripe has seen nothing of the request, or its answer was
lost (`when` is "after").
"""

from collections.abc import Mapping

from stripeline.deploy.sandbox.faults import InjectedFault

JSON = "application/json"
LOGIN_URL = "https://login.example.com/?back=stripe"


def _page(status: int, title: str, **headers: str) -> InjectedFault:
    body = f"<html><head><title>{status} {title}</title></head><body><h1>{title}</h1></body></html>"
    return InjectedFault(hop=True, status=status, body=body, headers=headers)


def _message(status: int, message: str) -> InjectedFault:
    return InjectedFault(hop=True, status=status, body=f'{{"message": "{message}"}}', content_type=JSON)


HOPS: Mapping[str, InjectedFault] = {
    "html_400": _page(400, "Bad Request"),
    "html_401": _page(401, "Authorization Required"),
    "html_403": _page(403, "This page is blocked by your administrator"),
    "html_404": _page(404, "Not Found"),
    "html_407": _page(407, "Proxy Authentication Required", **{"Proxy-Authenticate": 'Basic realm="proxy"'}),
    "html_502": _page(502, "Bad Gateway"),
    "html_200": _page(200, "Welcome to the guest network"),
    "message_401": _message(401, "Jwt is missing"),
    "message_403": _message(403, "Forbidden"),
    "message_404": _message(404, "no Route matched with those values"),
    "login_302": _page(302, "Found", Location=LOGIN_URL),
}
