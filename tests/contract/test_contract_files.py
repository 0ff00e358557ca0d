"""The files in the tree are what the models say, and say it whole: examples, tags, roles, and nothing by hand."""

import json
import shutil
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct
from pydantic import BaseModel, ConfigDict

from stripeline.contracts import headers
from stripeline.contracts.action import ActionInput, ActionOutput
from stripeline.contracts.families import Family
from stripeline.contracts.internal_records import read
from stripeline.contracts.topics import Topics
from stripeline.deploy.cli import main
from stripeline.deploy.contract import files
from stripeline.deploy.contract.asyncapi import _schemas
from stripeline.deploy.contract.channels import channels
from stripeline.deploy.contract.examples import _of, events
from stripeline.deploy.contract.published_records import RELEASE, published
from tests.support.schemas import CONTRACTS, problems

RECORDS = {record.name: record for record in published()}
EXAMPLES = [(name, example) for name, record in RECORDS.items() for example in record.examples]
ASYNCAPI = json.loads((CONTRACTS / "asyncapi.json").read_text(encoding="utf-8"))
PLAIN = {f"{family}-event": {"context"} for family in ("payment", "charge", "customer", "thin")}  # an account
SENSITIVE = {"client_secret", "email", "receipt_email", "phone", "name", "secret_key", "context", "definition"}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    shutil.copytree(CONTRACTS, tmp_path / "contracts")
    return tmp_path / "contracts"


def run(*argv: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["contracts", *argv])
    return int(ended.value.code or 0)


def read_as(model: type[BaseModel] | type[Struct], value: bytes) -> None:
    if issubclass(model, BaseModel):
        model.model_validate_json(value)
    else:
        read(model, value)


def nodes(value: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(value, dict):
        yield path, value
        for name, inner in value.items():
            yield from nodes(inner, f"{path}/{name}")
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from nodes(inner, f"{path}/{number}")


def test_the_tree_is_what_the_models_say_and_breaks_nobody():
    assert files.check(CONTRACTS) == []


def test_generating_twice_gives_the_same_bytes():
    first = files.generated()
    published.cache_clear()
    assert first == files.generated.__wrapped__()
    assert all(text.endswith("}\n") for text in first.values())


def test_the_contract_is_of_this_release():
    project = tomllib.loads((CONTRACTS.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["version"] == RELEASE, (
        "an older version of this checkout is installed: install it again with"
        " `.venv/bin/pip install --no-deps --no-build-isolation --editable .`"
    )
    assert ASYNCAPI["info"]["version"] == RELEASE


@pytest.mark.parametrize(("name", "example"), EXAMPLES)
def test_every_example_is_a_file_and_valid(name, example):
    value = json.loads((CONTRACTS / "schemas/examples" / name / f"{example}.json").read_text(encoding="utf-8"))
    assert value == RECORDS[name].examples[example]
    assert problems(name, value) == []
    if name.endswith("-headers"):
        assert all(isinstance(text, str) for text in value.values())
    else:
        read_as(RECORDS[name].model, json.dumps(value).encode())


@pytest.mark.parametrize(
    ("name", "example", "changes"),
    [
        ("payment-event", "payment-intent-succeeded", {"type": "charge.failed"}),
        ("payment-event", "payment-intent-succeeded", {"livemode": None}),
        ("payment-event", "payment-intent-succeeded", {"data": []}),
        ("command", "create-payment-intent-1", {"action": "stripe/no-such-action"}),
        ("command", "create-payment-intent-1", {"input": {"amount": 0, "currency": "eur"}}),
        ("command", "create-payment-intent-1", {"input": {"amount": 1, "currency": "eur", "unknown": 1}}),
        ("command", "create-payment-intent-1", {"command_id": "a b"}),
        ("result", "create-customer-succeeded", {"output": None}),
        ("result", "create-customer-succeeded", {"output": {"id": "cus_1"}}),
        ("result", "failed", {"error": None}),
        ("result", "failed", {"output": {}}),
        ("result", "failed", {"status": "done"}),
    ],
)
def test_what_is_not_of_the_contract(name, example, changes):
    assert problems(name, {**RECORDS[name].examples[example], **changes}) != []


@pytest.mark.parametrize("name", RECORDS)
def test_every_schema_has_its_name_its_words_and_its_examples(name):
    schema = RECORDS[name].schema()
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["$id"] == f"urn:stripeline:contract:{name}:v1"
    assert schema["title"] == name
    assert len(schema["description"]) > 20
    assert schema["examples"]
    undescribed = [
        f"{path}/{field}"
        for path, node in nodes({**schema, "examples": []})
        if path.endswith("properties") and "/allOf/" not in path
        for field, value in node.items()
        if not (value.get("description") or "$ref" in value)
    ]
    assert undescribed == []


@pytest.mark.parametrize("name", RECORDS)
def test_sensitive_fields_are_tagged_wherever_they_are(name):
    for path, node in nodes({**RECORDS[name].schema(), "examples": []}):
        if path.endswith("/properties"):
            for field in node.keys() & SENSITIVE - PLAIN.get(name, set()):
                assert node[field].get("x-sensitive") is True, f"{path}/{field}"


def test_secrets_in_lists_are_tagged_too():
    secrets = RECORDS["control-trigger"].schema()["properties"]["signing_secrets"]
    assert secrets["items"]["x-sensitive"] is True


def test_every_header_of_ours_is_published():
    ours = {value for value in vars(headers).values() if isinstance(value, str) and value.startswith("stripeline-")}
    told = {field for name, one in RECORDS.items() if name.endswith("-headers") for field in one.schema()["properties"]}
    assert {field for field in told if field.startswith("stripeline-")} == ours


def test_every_topic_is_a_channel_under_its_name_and_settings():
    topics = Topics()
    wanted = {topic.name: topic for topic in topics.all(6)}
    told = {one["bindings"]["kafka"]["topic"]: one for one in ASYNCAPI["channels"].values()}
    retries = set(topics.retries)
    assert set(told) - retries == set(wanted) - retries
    assert len(set(told) & retries) == 1
    for name, channel in told.items():
        settings = channel["bindings"]["kafka"]["topicConfiguration"]
        assert ",".join(settings["cleanup.policy"]) == wanted[name].cleanup
        assert settings.get("retention.ms") == wanted[name].retention_ms
        address = channel["address"].replace("{prefix}", topics.prefix).replace("{tier}", topics.tiers[0].name)
        assert address == name


def test_who_may_do_what():
    told = {name: (one["action"], one["channel"]["$ref"]) for name, one in ASYNCAPI["operations"].items()}
    others = {told[name] for name in told if name.startswith("other-teams.")}
    assert others == {
        ("send", "#/channels/action-command"),
        ("receive", "#/channels/action-result"),
        ("receive", "#/channels/payment-event"),
        ("receive", "#/channels/charge-event"),
        ("receive", "#/channels/customer-event"),
        ("receive", "#/channels/health-event"),
    }
    send = ASYNCAPI["operations"]["other-teams.send.action-command"]
    assert [one["$ref"] for one in send["messages"]] == ["#/channels/action-command/messages/command"]
    assert send["reply"]["channel"] == {"$ref": "#/channels/action-result"}
    assert len(ASYNCAPI["operations"]) == sum(len(one.writers) + len(one.readers) for one in channels())


def test_every_reference_of_the_document_leads_somewhere():
    for path, node in nodes(ASYNCAPI):
        reference = node.get("$ref")
        if isinstance(reference, str):
            target: Any = ASYNCAPI
            for part in reference.removeprefix("#/").split("/"):
                assert part in target, f"{path}: {reference}"
                target = target[part]


def test_two_models_of_one_name_that_differ_are_refused():
    command = RECORDS["command"]

    class Other:
        component, file_name = "Other", "other.v1.schema.json"

        def schema(self):
            return {"$defs": {"RunRef": {"type": "string"}}}

    with pytest.raises(ValueError, match="RunRef, and differ"):
        _schemas([command, Other()])


def test_a_file_that_drifted_is_named_with_the_mend(tree, capsys):
    (tree / "schemas/command.v1.schema.json").write_text("{}\n")
    (tree / "asyncapi.json").unlink()
    (tree / "schemas/examples/run/by-hand.json").write_text("{}\n")
    assert run("check", "--folder", str(tree)) == 1
    said = capsys.readouterr().out
    for path, what in {
        "schemas/command.v1.schema.json": "differs from the models",
        "asyncapi.json": "is missing",
        "schemas/examples/run/by-hand.json": "is made by nothing any more",
    }.items():
        assert f"{tree / path} {what}: run `stripeline contracts export` and commit what it writes" in said
    assert run("export", "--folder", str(tree)) == 0
    assert f"removed {tree / 'schemas/examples/run/by-hand.json'}" in capsys.readouterr().out
    assert run("check", "--folder", str(tree)) == 0
    assert run("export", "--folder", str(tree)) == 0
    assert "Nothing to do" in capsys.readouterr().out


def released(tree: Path, name: str) -> Path:
    return tree / "released" / RELEASE / f"{name}.v1.schema.json"


def change(path: Path, **fields: Any) -> None:
    """Make the last release another one, so that the present schema is a change of it."""
    schema = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**schema, **fields}), encoding="utf-8")


def properties(name: str, **fields: Any) -> dict[str, Any]:
    return {"properties": {**RECORDS[name].schema()["properties"], **fields}}


def test_a_breaking_change_fails_the_check_and_is_not_released(tree, capsys):
    change(released(tree, "result"), **properties("result", gone={"type": "string"}))
    assert run("check", "--folder", str(tree)) == 1
    assert "result.v1: gone: the field is gone: breaking" in capsys.readouterr().out
    assert run("changes", "--folder", str(tree), "--json") == 0
    listed = [one for one in json.loads(capsys.readouterr().out) if one["record"] == "result.v1"]
    assert [one["rule"] for one in listed] == ["field-removed"]
    assert run("release", "--folder", str(tree)) == 1
    assert "Nothing was released" in capsys.readouterr().err
    assert "gone" in released(tree, "result").read_text(encoding="utf-8")


def test_what_breaks_nobody_is_released(tree, capsys):
    change(released(tree, "result"), description="other words")
    assert run("check", "--folder", str(tree)) == 0
    assert run("release", "--folder", str(tree)) == 0
    assert released(tree, "result").read_bytes() == (tree / "schemas/result.v1.schema.json").read_bytes()
    capsys.readouterr()
    assert run("changes", "--folder", str(tree)) == 0
    assert "Nothing has changed" in capsys.readouterr().err


def test_without_a_release_there_is_nothing_to_compare_with(tree, capsys):
    shutil.rmtree(tree / "released")
    assert run("check", "--folder", str(tree)) == 1
    assert "must have the schemas of one release, and has 0" in capsys.readouterr().err
    assert run("release", "--folder", str(tree)) == 0
    assert run("check", "--folder", str(tree)) == 0


def test_an_action_or_a_family_without_examples_is_told_so():
    class Bare(ActionInput):
        pass

    class Odd(ActionOutput):
        model_config = ConfigDict(json_schema_extra={"examples": [1]})

    for model in (Bare, Odd):
        with pytest.raises(ValueError, match=f"{model.__name__} has no examples"):
            _of(model)
    with pytest.raises(ValueError, match="the family stripe/payout-event has no examples"):
        events(Family(kind="stripe/payout-event", prefix="payout.", subject=lambda _: None))
