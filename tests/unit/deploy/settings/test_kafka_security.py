"""Settings of a secured Kafka that contradict each other are refused, each with one sentence."""

import ssl
from pathlib import Path
from typing import Any

import pytest

from stripeline.deploy.kafka_login.login_tokens import LoginTokens
from stripeline.deploy.settings.kafka_options import kafka_client_options, kafka_warnings
from stripeline.deploy.settings.settings import Settings, SettingsError, load_settings, variable

USER = {"kafka_sasl_username": "me", "kafka_sasl_password": "pw-value"}
OAUTH = {
    "kafka_sasl_mechanism": "OAUTHBEARER", "kafka_oauth_token_url": "https://login.example.com/token",
    "kafka_oauth_client_id": "app", "kafka_oauth_client_secret": "secret-value",
}  # fmt: skip
MSK = {"kafka_security_protocol": "SASL_SSL", "kafka_sasl_mechanism": "AWS_MSK_IAM"}
BROKERS = "b-1.mine.abc123.c2.kafka.eu-central-1.amazonaws.com:9098"


def options(**fields: Any) -> Any:
    return kafka_client_options(load_settings(fields))


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"kafka_ca_file": "ca.pem"}, "STRIPELINE_KAFKA_CA_FILE is set, but .* PLAINTEXT, which uses no TLS.*=SSL"),
        ({"kafka_security_protocol": "SASL_PLAINTEXT", **USER, "kafka_cert_file": "c"}, "PROTOCOL=SASL_SSL"),
        ({"kafka_security_protocol": "SSL", "kafka_cert_file": "c"}, "CERT_FILE is set without .*KEY_FILE"),
        ({"kafka_security_protocol": "SSL", "kafka_key_file": "k"}, "KEY_FILE is set without .*CERT_FILE"),
        ({"kafka_security_protocol": "SSL", "kafka_key_password": "p"}, "KEY_PASSWORD is set without .*KEY_FILE"),
        ({**USER}, "STRIPELINE_KAFKA_SASL_USERNAME is set, but .* PLAINTEXT, which logs nobody in"),
        ({"kafka_security_protocol": "SSL", **OAUTH}, "OAUTH_TOKEN_URL is set, but .* is SSL, which logs nobody in"),
        ({"kafka_security_protocol": "SASL_SSL"}, "SASL_USERNAME and STRIPELINE_KAFKA_SASL_PASSWORD is not set"),
        ({"kafka_security_protocol": "SASL_SSL", "kafka_sasl_username": "me"}, "but STRIPELINE_KAFKA_SASL_PASSWORD"),
        ({"kafka_security_protocol": "SASL_SSL", "kafka_sasl_mechanism": "OAUTHBEARER"}, "KAFKA_OAUTH_TOKEN_URL and"),
        ({"kafka_security_protocol": "SASL_SSL", **OAUTH, **USER, "kafka_sasl_mechanism": "PLAIN"}, "=OAUTHBEARER"),
        ({"kafka_security_protocol": "SASL_SSL", **OAUTH, "kafka_oauth_ca_file": "no.pem"}, "KAFKA_OAUTH_CA_FILE no"),
        ({**MSK, "kafka_security_protocol": "SASL_PLAINTEXT"}, "AWS_MSK_IAM, which needs TLS"),
        ({**MSK, "kafka_bootstrap_servers": "kafka.mine.example:9098"}, "Set STRIPELINE_KAFKA_AWS_REGION"),
    ],
)  # fmt: skip
def test_a_contradiction_is_refused_with_its_remedy(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError, match=said) as caught:
        options(**fields)
    assert not any(secret in str(caught.value) for secret in ("pw-value", "secret-value"))


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("kafka_oauth_token_url", "http://login.example.com/token", "use https"),
        ("kafka_oauth_token_url", "login.example.com/token", "it must be an address"),
        ("kafka_oauth_token_url", "https://me:pw-value@login.example.com/token", "must not carry a user"),
        ("kafka_oauth_extensions", "logicalCluster", "write name=value"),
        ("kafka_oauth_extensions", "auth=Bearer", "not auth"),
        ("kafka_oauth_extensions", "a=b\x01c", "without blanks"),
        ("kafka_aws_region", "Frankfurt", "like eu-central-1"),
    ],
)
def test_a_value_that_cant_be_right_is_refused(field: str, value: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said) as caught:
        load_settings({field: value})
    assert variable(field) in str(caught.value)
    assert "pw-value" not in str(caught.value)


def test_oauthbearer_gives_every_client_one_provider() -> None:
    found = options(kafka_security_protocol="SASL_SSL", **OAUTH, kafka_oauth_extensions="logicalCluster=lkc-1, x=y")
    provider = found["sasl_oauth_token_provider"]
    assert found["sasl_mechanism"] == "OAUTHBEARER"
    assert isinstance(provider, LoginTokens)
    assert provider.extensions() == {"logicalCluster": "lkc-1", "x": "y"}
    assert "secret-value" not in repr(found) + repr(vars(provider))
    assert set(kafka_warnings(found)) == {"kafka certificates", "kafka login"}


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/token", "http://localhost/token", "https://a.example/token?x=y"])
def test_a_token_endpoint_on_this_machine_may_be_http(url: str) -> None:
    assert load_settings({"kafka_oauth_token_url": url}).kafka_oauth_token_url == url


def test_a_plain_kafka_has_nothing_to_warn_of() -> None:
    assert kafka_warnings(options()) == {}


def test_tls_verifies_the_broker_and_its_name() -> None:
    context = options(kafka_security_protocol="SSL")["ssl_context"]
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)


def test_msk_takes_the_region_from_the_brokers_names() -> None:
    found = options(**MSK, kafka_bootstrap_servers=BROKERS)
    assert found["sasl_mechanism"] == "OAUTHBEARER"
    assert isinstance(found["sasl_oauth_token_provider"], LoginTokens)


def test_secrets_are_no_options_of_the_command() -> None:
    secret = [name for name, field in Settings.model_fields.items() if "SecretStr" in str(field.annotation)]
    assert {"kafka_key_password", "kafka_oauth_client_secret", "kafka_sasl_password"} <= set(secret)
    assert not [name for name in Settings.model_fields if "password" in name and name not in secret]


def test_a_missing_certificate_file_is_named(tmp_path: Path) -> None:
    pair = {"kafka_cert_file": tmp_path / "c.pem", "kafka_key_file": tmp_path / "k.pem"}
    with pytest.raises(SettingsError, match=r"STRIPELINE_KAFKA_CERT_FILE .*c.pem can't be used: No such file"):
        options(kafka_security_protocol="SSL", **pair)
