"""Whom a proxy is believed to have signed in: a table of connections and headers, and nothing in between."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from stripeline.contracts.operator.operator_vocabulary import SignInRefusal
from stripeline.deploy.console.auth.identity import ConsoleRole, Identity
from stripeline.deploy.console.auth.proxy_headers import SECRET_HEADER, ProxyRules, proxied
from stripeline.deploy.console.auth.role_grants import parse_role_grants, role_of

SECRET = "a-secret-of-the-proxy-0123"
RULES = ProxyRules(
    trusted=(ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("fd00::/64")),
    secret=SecretStr(SECRET),
    user_header="X-Forwarded-User",
    groups_header="X-Forwarded-Groups",
    grants=parse_role_grants("operator=ops,reader=support"),
)
GOOD = {SECRET_HEADER: [SECRET], "X-Forwarded-User": ["ada"], "X-Forwarded-Groups": ["support, ops"]}
R = SignInRefusal

TABLE = [
    ("10.1.2.3", {}, ConsoleRole.OPERATOR),
    ("::ffff:10.1.2.3", {}, ConsoleRole.OPERATOR),
    ("fd00::7%eth0", {}, ConsoleRole.OPERATOR),
    ("10.1.2.3", {"X-Forwarded-Groups": ["support"]}, ConsoleRole.READER),
    ("10.1.2.3", {"X-Forwarded-User": ["Ada Lovelace"]}, ConsoleRole.OPERATOR),
    ("11.1.2.3", {}, R.UNTRUSTED_PEER),
    ("11.1.2.3", {"X-Forwarded-For": ["10.1.2.3"]}, R.UNTRUSTED_PEER),
    ("fd00:0:0:1::7", {}, R.UNTRUSTED_PEER),
    ("", {}, R.UNTRUSTED_PEER),
    ("unix:", {}, R.UNTRUSTED_PEER),
    ("10.1.2.3", {SECRET_HEADER: []}, R.WRONG_SECRET),
    ("10.1.2.3", {SECRET_HEADER: [""]}, R.WRONG_SECRET),
    ("10.1.2.3", {SECRET_HEADER: [SECRET[:-1]]}, R.WRONG_SECRET),
    ("10.1.2.3", {SECRET_HEADER: [SECRET.upper()]}, R.WRONG_SECRET),
    ("10.1.2.3", {SECRET_HEADER: [SECRET, SECRET]}, R.WRONG_SECRET),
    ("10.1.2.3", {SECRET_HEADER: ["x\udcff"]}, R.WRONG_SECRET),
    ("10.1.2.3", {"X-Forwarded-User": []}, R.BAD_USER),
    ("10.1.2.3", {"X-Forwarded-User": [""]}, R.BAD_USER),
    ("10.1.2.3", {"X-Forwarded-User": [" "]}, R.BAD_USER),
    ("10.1.2.3", {"X-Forwarded-User": ["ada", "ada"]}, R.BAD_USER),
    ("10.1.2.3", {"X-Forwarded-User": ["eve, ada"]}, R.BAD_USER),
    ("10.1.2.3", {"X-Forwarded-User": ["ada\x07"]}, R.BAD_USER),
    ("10.1.2.3", {"X-Forwarded-User": ["ada\u202e"]}, R.BAD_USER),
    ("10.1.2.3", {"X-Forwarded-User": ["ada\udcff"]}, R.BAD_USER),
    ("10.1.2.3", {"X-Forwarded-User": ["a" * 257]}, R.BAD_USER),
    ("10.1.2.3", {"X-Forwarded-Groups": ["support", "ops"]}, R.BAD_USER),
    ("10.1.2.3", {"X-Forwarded-Groups": []}, R.NO_ROLE),
    ("10.1.2.3", {"X-Forwarded-Groups": [""]}, R.NO_ROLE),
    ("10.1.2.3", {"X-Forwarded-Groups": ["opsx, xops, OPS, *"]}, R.NO_ROLE),
]


@pytest.mark.parametrize(("peer", "changed", "expected"), TABLE)
def test_a_proxy_is_believed_only_when_all_is_right(peer, changed, expected) -> None:
    headers = {**GOOD, **changed}
    found = proxied(RULES, peer, lambda name: headers.get(name, []))
    assert (found.role if isinstance(found, Identity) else found) == expected


texts = st.lists(st.text(max_size=8) | st.sampled_from([SECRET, "ada", "ops", "*"]), max_size=3)


@given(peer=st.text(max_size=40) | st.ip_addresses().map(str), secrets=texts, users=texts, groups=texts)
def test_nobody_is_let_in_without_the_secret(peer, secrets, users, groups) -> None:
    headers = {SECRET_HEADER: secrets, "X-Forwarded-User": users, "X-Forwarded-Groups": groups}
    found = proxied(RULES, peer, headers.__getitem__)
    if isinstance(found, Identity):
        assert secrets == [SECRET]
        assert users == [found.user]
        assert "ops" in str(groups)


def test_a_user_has_the_highest_role_of_all_groups() -> None:
    grants = parse_role_grants("viewer=*, operator=ops, reader=support, operator=admins=eu")
    assert role_of(grants, {"support", "x"}) is ConsoleRole.READER
    assert role_of(grants, {"support", "ops"}) is ConsoleRole.OPERATOR
    assert role_of(grants, {"admins=eu"}) is ConsoleRole.OPERATOR
    assert role_of(grants, {""}) is ConsoleRole.VIEWER
    assert ",".join(map(str, grants)) == "viewer=*,operator=ops,reader=support,operator=admins=eu"


@pytest.mark.parametrize("text", ["ops", "boss=ops", "operator=", "=ops", "operator", "operator=ops,x"])
def test_a_grant_that_can_not_be_read_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="write roles"):
        parse_role_grants(text)
