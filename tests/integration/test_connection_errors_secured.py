"""Why a secured Kafka can't be reached: each cause, produced for real, has its own sentence without a secret."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import pytest
from aiokafka.abc import AbstractTokenProvider

from stripeline.deploy.operations.connection_probe import why_unreachable
from stripeline.deploy.settings.kafka_options import kafka_client_options
from stripeline.deploy.settings.settings import load_settings
from tests.support.secured_kafka import PASSWORD, SecuredKafka

USER = "plain-user"
PLAIN = {"kafka_sasl_mechanism": "PLAIN"}


async def why(fields: Mapping[str, Any], **more: Any) -> str | None:
    settings = load_settings(fields)
    text = await why_unreachable(settings, {**kafka_client_options(settings), **more})
    assert PASSWORD not in str(text)
    return text


LOGIN = {"kafka_sasl_username": USER, "kafka_sasl_password": PASSWORD, "kafka_sasl_mechanism": "SCRAM-SHA-512"}


def fitting(fields: dict[str, Any]) -> dict[str, Any]:
    """Without what the settings refuse beside this protocol."""
    protocol = fields["kafka_security_protocol"]
    unfit = set() if protocol.startswith("SASL_") else {"kafka_sasl_username", "kafka_sasl_password"}
    unfit |= set() if protocol.endswith("SSL") else {"kafka_ca_file"}
    return {name: value for name, value in fields.items() if name not in unfit}


class Token(AbstractTokenProvider):
    def __init__(self, token: str) -> None:
        self._token = token

    async def token(self) -> str:
        return self._token

    def extensions(self) -> dict[str, str]:
        return {}


async def test_a_login_that_fits_has_no_fault(secured_kafka: SecuredKafka) -> None:
    assert await why(secured_kafka.settings("LOGIN", USER, **PLAIN)) is None


class Case(NamedTuple):
    listener: str
    overrides: Mapping[str, Any]
    words: str


SENTENCES = {
    "plaintext to a TLS port": Case(
        "MTLS", {"kafka_security_protocol": "PLAINTEXT"},
        "speaks TLS, and STRIPELINE_KAFKA_SECURITY_PROTOCOL is PLAINTEXT. Set it to SSL,",
    ),
    "plaintext to a TLS port, with a login": Case(
        "LOGIN", {"kafka_security_protocol": "SASL_PLAINTEXT"},
        "speaks TLS, and STRIPELINE_KAFKA_SECURITY_PROTOCOL is SASL_PLAINTEXT. Set it to SASL_SSL,",
    ),
    "TLS to a plaintext port": Case(
        "CLEAR", {"kafka_security_protocol": "SASL_SSL"},
        "does not speak TLS, and STRIPELINE_KAFKA_SECURITY_PROTOCOL is SASL_SSL. Set it to SASL_PLAINTEXT,",
    ),
    "no login where one is wanted": Case(
        "CLEAR", {"kafka_security_protocol": "PLAINTEXT"},
        "wants a login, and STRIPELINE_KAFKA_SECURITY_PROTOCOL is PLAINTEXT. Set it to SASL_PLAINTEXT, with"
        " STRIPELINE_KAFKA_SASL_MECHANISM (offered: SCRAM-SHA-512)",
    ),
    "no login where one is wanted, by TLS": Case(
        "LOGIN", {"kafka_security_protocol": "SSL"},
        "wants a login, and STRIPELINE_KAFKA_SECURITY_PROTOCOL is SSL. Set it to SASL_SSL,",
    ),
    "a login where none is taken": Case(
        "PLAINTEXT", {"kafka_security_protocol": "SASL_PLAINTEXT"},
        "takes no login, and STRIPELINE_KAFKA_SECURITY_PROTOCOL is SASL_PLAINTEXT. Set it to PLAINTEXT,",
    ),
    "an unknown CA": Case(
        "LOGIN", {"kafka_ca_file": None},
        "is signed by no CA that this host has (unable to get local issuer certificate)."
        " Set STRIPELINE_KAFKA_CA_FILE",
    ),
    "another name": Case(
        "ELSEWHERE", {},
        "is for another name (IP address mismatch, certificate is not valid for '127.0.0.1'.). Write in"
        " KAFKA_BOOTSTRAP_SERVERS a name that it has",
    ),
    "an expired certificate": Case("EXPIRED", {}, "or of its CA, has expired. Renew it on the broker"),
    "a mechanism that is not offered": Case(
        "SCRAM", PLAIN,
        "does not offer the login mechanism PLAIN. Set STRIPELINE_KAFKA_SASL_MECHANISM to one that it offers"
        " (SCRAM-SHA-512)",
    ),
    "a wrong password": Case(
        "LOGIN", {**PLAIN, "kafka_sasl_password": "wrong"},
        f"refuses the login of the user {USER} by PLAIN (Authentication failed: Invalid username or password)."
        " Correct STRIPELINE_KAFKA_SASL_USERNAME or STRIPELINE_KAFKA_SASL_PASSWORD",
    ),
    "an unknown user": Case(
        "LOGIN", {"kafka_sasl_username": "nobody"},
        "refuses the login of the user nobody by SCRAM-SHA-512 (Authentication failed during authentication due to"
        " invalid credentials with SASL mechanism SCRAM-SHA-512).",
    ),
    "no client certificate": Case(
        "MTLS", {},
        "wants a client certificate, and none is set. Set STRIPELINE_KAFKA_CERT_FILE and STRIPELINE_KAFKA_KEY_FILE",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SENTENCES)
async def test_each_cause_has_its_own_sentence(secured_kafka: SecuredKafka, name: str) -> None:
    listener, overrides, words = SENTENCES[name]
    text = await why(fitting({**LOGIN, **secured_kafka.settings(listener), **overrides}))
    assert text is not None
    assert words in text
    assert secured_kafka.address(listener) in text
    assert sum(marked in text for _, _, marked in SENTENCES.values()) == 1


async def test_a_token_that_is_refused(secured_kafka: SecuredKafka) -> None:
    fields = secured_kafka.settings("LOGIN", USER)
    token = secured_kafka.token_keys.token("someone", aud="another")
    text = await why(fields, sasl_mechanism="OAUTHBEARER", sasl_oauth_token_provider=Token(token))
    assert text is not None
    assert "refuses the OAuth token (" in text
    assert "invalid_token" in text
    assert token not in text
    good = secured_kafka.token_keys.token("someone")
    assert await why(fields, sasl_mechanism="OAUTHBEARER", sasl_oauth_token_provider=Token(good)) is None


async def test_a_client_certificate_that_is_refused(secured_kafka: SecuredKafka) -> None:
    fields = secured_kafka.settings("MTLS", "someone")
    assert await why(fields) is None
    stranger = secured_kafka.stranger.issue("someone")
    text = await why({**fields, "kafka_cert_file": stranger.cert_file, "kafka_key_file": stranger.key_file})
    assert text is not None
    assert f"refuses the client certificate of STRIPELINE_KAFKA_CERT_FILE {stranger.cert_file}" in text
    expired = secured_kafka.certificate("someone", days=-1)
    text = await why({**fields, "kafka_cert_file": expired.cert_file, "kafka_key_file": expired.key_file})
    assert text is not None
    assert f"refuses the client certificate of STRIPELINE_KAFKA_CERT_FILE {expired.cert_file}" in text


async def test_a_token_endpoint_that_is_away(secured_kafka: SecuredKafka) -> None:
    fields = secured_kafka.settings(
        "LOGIN", kafka_sasl_mechanism="OAUTHBEARER", kafka_oauth_token_url="http://localhost:1/token",
        kafka_oauth_client_id="stripeline", kafka_oauth_client_secret="hunter2",
    )  # fmt: skip
    text = await why(fields)
    assert text is not None
    assert "there is no token to log in to" in text
    assert "localhost:1" in text
    assert "hunter2" not in text
