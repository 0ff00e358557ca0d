"""Settings come from an option, the environment, `.env` or the default, in that order; errors name the variable."""

import os
from pathlib import Path

import pytest
from pydantic import SecretStr

from stripeline.deploy.cli.settings import row
from stripeline.deploy.settings.kafka_options import kafka_client_options
from stripeline.deploy.settings.parsing import duration_text, sends_keys_in_clear, size_text
from stripeline.deploy.settings.settings import (
    Settings,
    SettingsError,
    environment,
    load_settings,
    unknown_variables,
    variable,
)
from stripeline.workers.secrets.vault import new_master_key


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder and an environment without settings."""
    for name in [name for name in os.environ if name.startswith(("STRIPELINE_", "KAFKA_"))]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_option_then_environment_then_dotenv_then_default(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_settings().topic_prefix == "stripe."
    (bare / ".env").write_text("STRIPELINE_TOPIC_PREFIX=dotenv.\n")
    assert load_settings().topic_prefix == "dotenv."
    monkeypatch.setenv("STRIPELINE_TOPIC_PREFIX", "environment.")
    assert load_settings().topic_prefix == "environment."
    assert load_settings({"topic_prefix": "option."}).topic_prefix == "option."


def test_an_empty_variable_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRIPELINE_PARTITIONS", "")
    assert load_settings().partitions == 8


def test_names_follow_the_design() -> None:
    names = {variable(field) for field in Settings.model_fields}
    assert "KAFKA_BOOTSTRAP_SERVERS" in names
    promised = (
        "MASTER_KEY TOPIC_PREFIX PARTITIONS STRIPE_API_BASE INGEST_HOST INGEST_PORT ADMIN_HOST ADMIN_PORT"
        " INGEST_MAX_BODY INGEST_PUBLISH_DEADLINE EXECUTOR_CONCURRENCY RETRY_TIERS RECONCILE_AFTER"
        " INSTANCE_ID LOG_LEVEL"
    )
    assert {f"STRIPELINE_{name}" for name in promised.split()} <= names


def test_reads_durations_sizes_and_tiers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRIPELINE_CALL_TIMEOUT", "2m")
    monkeypatch.setenv("STRIPELINE_INGEST_MAX_BODY", "64KiB")
    monkeypatch.setenv("STRIPELINE_RETRY_TIERS", "1s,5s")
    monkeypatch.setenv("STRIPELINE_LOG_LEVEL", "DEBUG")
    values = load_settings()
    assert (values.call_timeout_ms, values.ingest_max_body_bytes, values.log_level) == (120_000, 65_536, "debug")
    assert [tier.name for tier in values.topics.tiers] == ["1s", "5s"]


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("STRIPELINE_PARTITIONS", "many", "STRIPELINE_PARTITIONS: Input should be a valid integer"),
        ("STRIPELINE_CALL_TIMEOUT", "5", "is not a duration: write a number and a unit"),
        ("STRIPELINE_CALL_TIMEOUT", "0s", "STRIPELINE_CALL_TIMEOUT"),
        ("STRIPELINE_INGEST_MAX_BODY", "1GB", "is not a size"),
        ("STRIPELINE_RETRY_TIERS", "5s,2s", "each longer than the one before"),
        ("STRIPELINE_TOPIC_PREFIX", "a b", "can't start a topic's name"),
        ("STRIPELINE_STRIPE_API_BASE", "https://api.stripe.com/v1", "leave /v1 away"),
        ("STRIPELINE_STRIPE_API_BASE", "api.stripe.com", "scheme, host and port"),
        ("STRIPELINE_STRIPE_PROXY", "squid:3128", "it must be http://host:port"),
        ("STRIPELINE_STRIPE_PROXY", "http://u:p@h:1/x", "it must end after the port"),
        ("STRIPELINE_STRIPE_API_BASE", "https://sk_test_x:@api.stripe.com", "must not carry a user"),
        ("STRIPELINE_LOG_LEVEL", "loud", "STRIPELINE_LOG_LEVEL"),
        ("STRIPELINE_INGEST_PORT", "70000", "STRIPELINE_INGEST_PORT"),
    ],
)
def test_an_error_names_the_variable_the_problem_and_the_mend(
    name: str, value: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=name) as caught:
        load_settings()
    assert words in str(caught.value)
    assert "sk_test_x" not in str(caught.value)


def test_a_file_that_is_no_text_is_refused(bare: Path) -> None:
    (bare / ".env").write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsError, match="not UTF-8"):
        load_settings()


def test_the_ring_of_master_keys_is_a_list_and_stays_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = new_master_key(), new_master_key()
    monkeypatch.setenv("STRIPELINE_MASTER_KEY", f"{first}, {second}")
    values = load_settings()
    assert values.master_keys == (SecretStr(first), SecretStr(second))
    assert first not in repr(values)
    assert row("master_key", values.master_key)["value"] == "set, masked"
    assert load_settings({"master_key": None}).master_keys == ()


def test_a_files_variables_come_from_environment_or_dotenv(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (bare / ".env").write_text("ACME_KEY=one\nOTHER=two\n")
    monkeypatch.setenv("ACME_KEY", "three")
    assert (environment("ACME_KEY"), environment("OTHER"), environment("NONE")) == ("three", "two", None)


def test_a_misspelt_variable_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRIPELINE_PARTITION", "4")
    assert unknown_variables() == ["STRIPELINE_PARTITION"]


def test_each_setting_says_what_it_means_and_how_it_is_written() -> None:
    values = load_settings()
    for field in Settings.model_fields:
        shown = row(field, getattr(values, field))
        assert shown["meaning"]
        assert shown["value"] == shown["default"]
    assert row("ingest_publish_deadline_ms", 5_000)["value"] == "5s"
    assert row("ingest_max_body_bytes", 921_600)["value"] == "900KiB"
    assert row("kafka_ca_file", Path("ca.pem"))["value"] == "ca.pem"


@pytest.mark.parametrize(("value_ms", "text"), [(1, "1ms"), (1_500, "1500ms"), (60_000, "1m"), (7_200_000, "2h")])
def test_a_duration_is_written_in_its_largest_whole_unit(value_ms: int, text: str) -> None:
    assert duration_text(value_ms) == text


def test_a_size_not_in_whole_kib_is_written_in_bytes() -> None:
    assert size_text(1_000) == "1000"


@pytest.mark.parametrize(
    ("base", "in_clear"),
    [
        ("https://api.stripe.com", False),
        ("http://127.0.0.1:1", False),
        ("http://localhost:1", False),
        ("http://[::1]:1", False),
        ("http://sandbox:12111", True),
    ],
)
def test_http_to_another_machine_sends_keys_in_clear(base: str, in_clear: bool) -> None:
    assert sends_keys_in_clear(base) is in_clear


def test_kafkas_options_follow_the_protocol(tmp_path: Path) -> None:
    plain = kafka_client_options(load_settings({"kafka_bootstrap_servers": "k:1"}))
    assert plain["bootstrap_servers"] == "k:1"
    assert "ssl_context" not in plain
    login = {"kafka_sasl_username": "me", "kafka_sasl_password": "pw"}
    sasl = kafka_client_options(load_settings({"kafka_security_protocol": "SASL_SSL", **login}))
    assert (sasl["sasl_plain_username"], sasl["sasl_plain_password"], sasl["sasl_mechanism"]) == ("me", "pw", "PLAIN")
    assert "ssl_context" in sasl
    with pytest.raises(SettingsError, match="STRIPELINE_KAFKA_SASL_USERNAME"):
        kafka_client_options(load_settings({"kafka_security_protocol": "SASL_PLAINTEXT"}))
    with pytest.raises(SettingsError, match="STRIPELINE_KAFKA_CA_FILE"):
        kafka_client_options(load_settings({"kafka_security_protocol": "SSL", "kafka_ca_file": tmp_path / "no.pem"}))
