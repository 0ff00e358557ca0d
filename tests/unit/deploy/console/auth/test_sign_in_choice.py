"""The console does not start without a way to sign in, or with half of one, and says what to set."""

from pathlib import Path
from typing import Any

import pytest

from stripeline.deploy.console.auth.one_time_link import LINK_LIFETIME_S, OneTimeLinks
from stripeline.deploy.console.auth.same_origin import is_same_origin
from stripeline.deploy.console.auth.sign_in_choice import check_sign_in
from stripeline.deploy.failure import FailureError
from stripeline.deploy.settings.settings import load_settings
from tests.support.signed_console import PROXY, SECRET, console_settings

REFUSED: list[tuple[dict[str, Any], list[str]]] = [
    ({}, ["CONSOLE_AUTH=token", "CONSOLE_AUTH=proxy", "console-token NAME --role operator"]),
    ({"console_auth": "token"}, ["CONSOLE_TOKENS_FILE"]),
    ({"console_auth": "token", "console_tokens_file": Path("/nowhere")}, ["/nowhere", "console-token"]),
    ({"console_auth": "proxy"}, ["CONSOLE_TRUSTED_PROXIES", "CONSOLE_PROXY_SECRET", "CONSOLE_ROLES"]),
    ({**PROXY, "console_trusted_proxies": ""}, ["CONSOLE_TRUSTED_PROXIES"]),
    ({**PROXY, "console_proxy_secret": ""}, ["CONSOLE_PROXY_SECRET"]),
    ({**PROXY, "console_roles": ""}, ["CONSOLE_ROLES"]),
    ({**PROXY, "console_proxy_secret": "short"}, ["CONSOLE_PROXY_SECRET", "openssl rand -hex 32"]),
]


@pytest.mark.parametrize(("given", "words"), REFUSED)
def test_half_a_way_to_sign_in_refuses_the_start(given: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(FailureError) as raised:
        check_sign_in(console_settings(**given))
    assert [word for word in words if word not in str(raised.value)] == []
    assert SECRET not in str(raised.value)


def test_links_need_no_setting() -> None:
    check_sign_in(console_settings(), OneTimeLinks())
    with pytest.raises(FailureError):  # what is set must be right all the same
        check_sign_in(console_settings(console_auth="proxy"), OneTimeLinks())


def test_a_whole_proxy_is_taken_and_its_secret_is_not_shown() -> None:
    check_sign_in(console_settings(**PROXY))
    assert SECRET not in repr(console_settings(**PROXY))


def test_a_name_that_is_no_header_is_refused() -> None:
    with pytest.raises(FailureError, match="no header's name"):
        load_settings({"console_user_header": "X User:"})


def test_a_link_holds_once_and_for_ten_minutes() -> None:
    links = OneTimeLinks()
    codes = [
        links.new("http://h:1/", user="ada", now_s=5.0).removeprefix("http://h:1/sign-in/link?code=") for _ in "ab"
    ]
    assert links.spend(codes[0], 5.0 + LINK_LIFETIME_S) is None
    assert links.spend(codes[0], 6.0) is None
    found = links.spend(codes[1], 4.0 + LINK_LIFETIME_S)
    assert found is not None
    assert list(links.holders("ada")) == [found]
    assert links.spend(codes[1], 6.0) is None
    assert all(code not in repr(links) for code in codes)


def test_only_the_newest_hundred_links_are_known() -> None:
    links = OneTimeLinks()
    codes = [links.new("", user="ada", now_s=0.0).split("=")[1] for _ in range(101)]
    assert [links.spend(code, 1.0) is not None for code in codes] == [False] + [True] * 100


HOSTS = [
    ("https://console.example.com", "console.example.com", True),
    ("https://console.example.com", "console.example.com:443", True),
    ("http://console.example.com", "console.example.com:80", True),
    ("http://127.0.0.1:8081", "127.0.0.1:8081", True),
    ("http://[::1]:8081", "[::1]:8081", True),
    ("https://CONSOLE.example.com", "console.example.com", True),
    ("https://console.example.com", "console.example.com:8081", False),
    ("https://console.example.com:8081", "console.example.com", False),
    ("https://console.example.com.evil.example", "console.example.com", False),
    ("https://evil.example/console.example.com", "evil.example", False),
    ("https://user@console.example.com", "console.example.com", False),
    ("https://console.example.com", "evil@console.example.com", False),
    ("https://console.example.com", "", False),
    ("null", "null", False),
    ("", "", False),
    ("file://", "", False),
    ("https://console.example.com:x", "console.example.com", False),
    ("https://[", "[", False),
]  # fmt: skip


@pytest.mark.parametrize(("origin", "host", "ours"), HOSTS)
def test_an_origin_must_be_the_host_that_was_asked(origin: str, host: str, ours: bool) -> None:
    assert is_same_origin([], [origin], host) is ours
    assert is_same_origin([], [origin, origin], host) is False
    assert is_same_origin(["cross-site"], [origin], host) is False
    assert is_same_origin(["same-origin", "same-origin"], [origin], host) is False
