"""Every setting is an option of every command, before or after it; secrets are none."""

import pytest
import typer

from stripeline.deploy.cli.app import app_for
from stripeline.deploy.cli.terminal.options import OPTIONS, overruling, settings, take_overrides
from stripeline.deploy.cli.terminal.times import moment_ms


def test_settings_are_taken_from_anywhere_in_the_arguments() -> None:
    rest, overrides = take_overrides(["--topic-prefix", "a.", "runs", "list", "--partitions=3", "--limit", "5"])
    assert rest == ["runs", "list", "--limit", "5"]
    assert overrides == {"topic_prefix": "a.", "partitions": "3"}


def test_what_follows_two_dashes_is_left_alone() -> None:
    assert take_overrides(["a", "--", "--partitions", "3"]) == (["a", "--", "--partitions", "3"], {})


def test_an_option_without_its_value_is_wrong_use(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        take_overrides(["topics", "list", "--partitions"])
    assert caught.value.code == 2
    assert "--partitions needs a value" in capsys.readouterr().err


def test_secrets_are_no_options_and_others_have_their_names() -> None:
    assert "--master-key" not in OPTIONS
    assert "--kafka-sasl-password" not in OPTIONS
    assert OPTIONS["--ingest-publish-deadline"] == "ingest_publish_deadline_ms"
    assert OPTIONS["--kafka-bootstrap-servers"] == "kafka_bootstrap_servers"


def test_no_command_has_an_option_that_a_setting_takes_from_it() -> None:
    def options(command: object) -> set[str]:
        own = {name for parameter in getattr(command, "params", ()) for name in parameter.opts}
        return own.union(*(options(child) for child in getattr(command, "commands", {}).values()))

    found = options(typer.main.get_command(app_for(())))
    assert "--limit" in found
    assert not found & set(OPTIONS)


def test_overrides_hold_within_their_block_only() -> None:
    before = settings().topic_prefix
    with overruling({"topic_prefix": "within."}):
        assert settings().topic_prefix == "within."
    assert settings().topic_prefix == before


@pytest.mark.parametrize(
    ("text", "at_ms"),
    [
        (None, None),
        ("2h", 100_000_000 - 7_200_000),
        ("1d", 100_000_000 - 86_400_000),
        ("1970-01-01T00:00:01Z", 1_000),
        ("1970-01-01T01:00:01+01:00", 1_000),
        ("1970-01-02", 86_400_000),
    ],
)
def test_a_moment_is_rfc_3339_or_lies_back_from_now(text: str | None, at_ms: int | None) -> None:
    assert moment_ms(text, 100_000_000, "--since") == at_ms


def test_what_is_no_moment_is_wrong_use() -> None:
    with pytest.raises(typer.BadParameter, match="no moment"):
        moment_ms("yesterday", 0, "--since")
