"""Each cause of a failed connection has its own sentence, which names what corrects it and shows no secret."""

import pytest

from stripeline.deploy.operations.connection_errors import (
    BROKER_TEXT_CHARACTERS,
    Cause,
    Connecting,
    ConnectionFailure,
    cleaned,
    sentence,
)

SASL = Connecting(protocol="SASL_SSL", mechanism="PLAIN", user="ada", secrets=("hunter2",))
PLAIN = Connecting(protocol="PLAINTEXT")


def said(cause: Cause, connecting: Connecting = SASL, detail: str = "", **more: str) -> str:
    return sentence(ConnectionFailure(cause=cause, address="kafka:9092", detail=detail, **more), connecting)


@pytest.mark.parametrize("cause", Cause)
def test_each_cause_names_the_address_and_a_remedy(cause: Cause) -> None:
    text = said(cause)
    assert text.startswith("Can't reach Kafka: ")
    assert "kafka:9092" in text or cause is Cause.UNKNOWN_HOST
    assert "{" not in text
    assert text.endswith(".")
    assert "\n" not in text


def test_no_two_causes_share_a_sentence() -> None:
    assert len({said(cause) for cause in Cause}) == len(Cause)


@pytest.mark.parametrize(
    ("cause", "protocol", "advice"),
    [
        (Cause.TLS_TO_PLAINTEXT, "SSL", "Set it to PLAINTEXT,"),
        (Cause.TLS_TO_PLAINTEXT, "SASL_SSL", "Set it to SASL_PLAINTEXT,"),
        (Cause.PLAINTEXT_TO_TLS, "PLAINTEXT", "Set it to SSL,"),
        (Cause.PLAINTEXT_TO_TLS, "SASL_PLAINTEXT", "Set it to SASL_SSL,"),
        (Cause.SASL_NOT_OFFERED, "SASL_SSL", "Set it to SSL,"),
        (Cause.SASL_WANTED, "SSL", "Set it to SASL_SSL,"),
        (Cause.SASL_WANTED, "PLAINTEXT", "Set it to SASL_PLAINTEXT,"),
    ],
)
def test_the_protocol_that_would_fit_is_named(cause: Cause, protocol: str, advice: str) -> None:
    assert advice in said(cause, Connecting(protocol=protocol))


def test_an_unknown_ca_names_the_file_that_is_trusted() -> None:
    assert "no CA that this host has" in said(Cause.UNKNOWN_CA)
    given = Connecting(protocol="SSL", ca_file="/etc/kafka/ca.pem")
    assert "no CA that STRIPELINE_KAFKA_CA_FILE /etc/kafka/ca.pem has" in said(Cause.UNKNOWN_CA, given)


def test_an_advertised_address_blames_the_broker() -> None:
    text = said(Cause.UNKNOWN_HOST, PLAIN, advertised_by="boot:9092")
    assert "Kafka at boot:9092 answers, and sends its clients to kafka:9092 (advertised.listeners)" in text
    assert "correct advertised.listeners of that broker" in text
    assert "KAFKA_BOOTSTRAP_SERVERS" not in text


def test_an_advertised_address_keeps_the_remedy_of_tls() -> None:
    text = said(Cause.UNKNOWN_CA, Connecting(protocol="SSL"), advertised_by="boot:9092")
    assert "advertised.listeners" in text
    assert "Set STRIPELINE_KAFKA_CA_FILE" in text


def test_a_broker_that_sends_the_password_back_is_masked() -> None:
    text = said(Cause.LOGIN_REFUSED, detail="bad password hunter2 of ada")
    assert "hunter2" not in text
    assert "bad password *** of ada" in text


@pytest.mark.parametrize("token", ["eyJhbGciOi.eyJzdWIi.c2ln", "opaque0123456789opaque0123456789opaque0123456789"])
def test_a_token_in_the_text_of_a_broker_is_masked(token: str) -> None:
    assert cleaned(f"no key for {token} here") == "no key for *** here"


def test_a_long_class_name_of_a_broker_is_kept() -> None:
    name = "org.apache.kafka.common.errors.SaslAuthenticationException"
    assert cleaned(f"{name}: no") == f"{name}: no"


def test_text_of_a_broker_is_one_bounded_line() -> None:
    hostile = "a\x1b[31mred\r\nnext\u202eline " + "word " * 1000
    text = cleaned(hostile)
    assert text.startswith("a [31mred next line word")
    assert len(text) == BROKER_TEXT_CHARACTERS
    assert text.isprintable()
    assert text.endswith("...")


def test_a_token_of_amazon_msk_names_iam() -> None:
    iam = Connecting(protocol="SASL_SSL", mechanism="AWS_MSK_IAM")
    assert "kafka-cluster:Connect" in said(Cause.TOKEN_REFUSED, iam)
    assert "AWS credentials" in said(Cause.TOKEN_UNAVAILABLE, iam)
    assert "STRIPELINE_KAFKA_OAUTH" in said(Cause.TOKEN_REFUSED)
