"""Payloads on a page: masked, harmless, bounded, and for readers only."""

import orjson
import pytest

from stripeline.deploy.console.auth.identity import ConsoleRole, Identity
from stripeline.deploy.console.details.payloads import MAX_BYTES, Payload, payload_of, pretty
from stripeline.deploy.operations.reading.topic_reader import Read

READER = Identity(user="ada", role=ConsoleRole.READER)


def shown(value: bytes, identity: Identity = READER) -> Payload:
    read = Read(topic="t", partition=0, offset=0, at_ms=0, key=None, value=value, headers={})
    return payload_of(read, lambda one: orjson.loads(one.value or b"null"), identity, "stripeline events show evt_1")


@pytest.mark.parametrize("field", ["email", "name", "phone", "receipt_email", "client_secret"])
def test_what_the_contract_tags_is_masked(field: str) -> None:
    assert "private" not in str(shown(orjson.dumps({"data": [{field: "private"}]})).text)


def test_a_secret_in_a_text_is_masked() -> None:
    assert "abcdefghijkl" not in pretty({"description": "paid with sk_live_abcdefghijklmnop"})


def test_each_line_is_harmless() -> None:
    text = pretty({"description": "<script>\u202e\u2028x"})
    assert text == "{\n  &#34;description&#34;: &#34;&lt;script&gt;\\u202e\\u2028x&#34;\n}"


def test_a_viewer_sees_no_payload() -> None:
    found = shown(b'{"amount": 5}', Identity(user="ada", role=ConsoleRole.VIEWER))
    assert found == Payload(words="Payloads need the role reader.")


def test_a_large_payload_is_not_shown() -> None:
    found = shown(b'"' + b"x" * MAX_BYTES + b'"')
    assert (found.text, found.command) == (None, "stripeline events show evt_1")
    assert "512 KiB" in found.words


def test_a_deep_payload_is_not_shown() -> None:
    assert shown(b"[" * 1_000 + b"]" * 1_000).text is None


def test_a_record_that_is_gone_is_said() -> None:
    assert "Kafka has this record no more" in payload_of(None, lambda _: None, READER).words
