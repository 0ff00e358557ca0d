"""A secret setting may be in a file; two forms of one secret are refused, and no error shows a content."""

from pathlib import Path

import pytest

from stripeline.deploy.cli.settings import row
from stripeline.deploy.cli.terminal.options import OPTIONS
from stripeline.deploy.settings.secret_files import secrets_in_files
from stripeline.deploy.settings.settings import SECRETS, Settings, SettingsError, load_settings, unknown_variables
from stripeline.workers.secrets.vault import new_master_key

NAME, FILE = "STRIPELINE_MASTER_KEY", "STRIPELINE_MASTER_KEY_FILE"


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def written(folder: Path, content: bytes) -> str:
    path = folder / "secret"
    path.write_bytes(content)
    return str(path)


def test_a_secret_is_read_from_its_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = new_master_key()
    monkeypatch.setenv(FILE, written(folder, f"{key}\n".encode()))
    assert [one.get_secret_value() for one in load_settings().master_keys] == [key]
    assert unknown_variables() == []


def test_a_value_given_to_the_function_needs_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FILE, "/nowhere")
    assert load_settings({"master_key": "other"}).master_keys[0].get_secret_value() == "other"


def test_only_secrets_have_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRIPELINE_TOPIC_PREFIX_FILE", "/nowhere")
    assert load_settings().topic_prefix == "stripe."
    assert unknown_variables() == ["STRIPELINE_TOPIC_PREFIX_FILE"]


@pytest.mark.parametrize(
    ("sources", "found"),
    [
        (({NAME: "a"}, {FILE: "/nowhere"}), {}),
        (({NAME: "", FILE: ""}, {NAME: "a"}), {}),
        (({NAME: "a"}, {NAME: "b", FILE: "/nowhere"}), {}),
        (({},), {}),
    ],
)
def test_the_first_source_that_has_it_decides(sources, found) -> None:
    assert secrets_in_files([NAME], sources) == found


def test_an_empty_variable_leaves_the_file(folder: Path) -> None:
    assert secrets_in_files([NAME], ({NAME: "", FILE: written(folder, b" s \r\n")}, {NAME: "other"})) == {NAME: "s"}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b" \n", "is empty"),
        (b"s3cr3t\xff", "is not UTF-8"),
        (b"s3cr3t" * 20_000, "longer than 64 KiB"),
        (None, "can't be read: No such file or directory"),
    ],
)
def test_a_file_without_a_secret_is_refused(content, words, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = str(folder / "gone") if content is None else written(folder, content)
    monkeypatch.setenv(FILE, path)
    with pytest.raises(SettingsError, match=words) as caught:
        load_settings()
    assert FILE in str(caught.value)
    assert path in str(caught.value)
    assert "s3cr3t" not in str(caught.value)


def test_a_secret_in_both_forms_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NAME, "s3cr3t")
    monkeypatch.setenv(FILE, written(folder, b"0ther"))
    with pytest.raises(SettingsError, match=f"{NAME} and {FILE} are both set") as caught:
        load_settings()
    assert "s3cr3t" not in str(caught.value)
    assert "0ther" not in str(caught.value)


def test_every_secret_is_masked_and_no_option() -> None:
    assert {"master_key", "kafka_sasl_password", "stripe_proxy", "console_store"} <= set(SECRETS)
    assert not set(SECRETS) & set(OPTIONS.values())
    for field in SECRETS:
        shown = row(field, "s3cr3t")
        assert (shown["value"], shown["option"], shown["file"]) == ("set, masked", None, f"{shown['name']}_FILE")
    assert all(row(field, None)["file"] is None for field in Settings.model_fields if field not in SECRETS)
