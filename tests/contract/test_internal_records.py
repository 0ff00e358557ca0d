"""Internal records: the JSON is what it was before they were structs, and the gate compares every field.

`internal_records_before_structs.json` was recorded from the code that built the records as dicts, with orjson. One
difference is known: msgspec writes a large float as `1e300`, where orjson writes `1e+300`. A run got two fields since,
`connection` and `key`.
"""

import json
from pathlib import Path

import msgspec
import orjson
import pytest
from msgspec import Struct
from msgspec.structs import replace

from stripeline.contracts import internal_records
from stripeline.contracts.definitions import Workflow
from stripeline.contracts.internal_records import LedgerCommand, LedgerQueue, Run, UnreadableRecordError, encode, read
from stripeline.contracts.operator.control_records import KeyRefusal
from stripeline.contracts.topics import Topics
from stripeline.deploy.contract import schemas
from stripeline.deploy.contract.compatibility import compare
from stripeline.deploy.contract.compatibility_rules import Side
from stripeline.deploy.contract.published_records import published
from stripeline.workers.router.router import Router
from stripeline.workers.router.run_state import Runs
from tests.support.records import Record, event_record, installation
from tests.support.schemas import CONTRACTS

RECORDED = json.loads((Path(__file__).parent / "internal_records_before_structs.json").read_text(encoding="utf-8"))
NOW_MS = 1_790_000_000_000
TOPICS = Topics()
KINDS: dict[str, type[Struct]] = {
    "ledger-command": LedgerCommand,
    "ledger-queue": LedgerQueue,
    "control-state": KeyRefusal,
    "run": Run,
}
WRITTEN = [
    *((name, text) for name in ("ledger-command", "ledger-queue", "control-state") for text in RECORDED[name]),
    *(("run", text) for script in RECORDED["run"].values() for text in script["written"]),
]
SCHEMAS = {record.schema_name: record.schema() for record in published()}
STRUCTS = [
    kind
    for kind in vars(internal_records).values()
    if isinstance(kind, type) and issubclass(kind, Struct) and kind is not Struct
]
COMMAND = {"status": "waiting", "digest": "d", "revision": 0, "at": NOW_MS}


@pytest.mark.parametrize(("name", "text"), WRITTEN)
def test_a_record_is_read_and_written_byte_for_byte(name: str, text: str) -> None:
    assert encode(read(KINDS[name], text.encode())).decode() == text


@pytest.mark.parametrize("name", RECORDED["run"])
def test_a_router_writes_the_runs_and_commands_it_wrote(name: str) -> None:
    script = RECORDED["run"][name]
    workflow = Workflow.model_validate(script["workflow"])
    router, state = (
        Router(topics=TOPICS, installation=installation, workflows=lambda _: {"thanks": workflow}, partitions=8),
        Runs(),
    )
    results = [Record(topic=TOPICS.result, key=b"pi_1", value=text.encode()) for text in script["results"]]
    runs, commands = [], []
    for record in [event_record(script["event"].encode(), topic=TOPICS.event("payment-event")), *results]:
        decision = router.take(state, record, NOW_MS)
        for change in decision.changes:
            state.restore(change.key, change.record and encode(change.record))
            assert (change.record.connection, change.record.key) == ("acme", "pi_1")
            runs.append(encode(replace(change.record, connection=None, key=None)).decode())
        commands += [output.value.decode() for output in decision.outputs]
    assert (runs, commands) == (script["written"], script["commands"])


def test_a_large_float_is_the_same_number() -> None:
    run = orjson.loads(RECORDED["run"]["two steps"]["written"][0])
    run["context"]["data"]["large"] = 1e300
    again = encode(read(Run, orjson.dumps(run)))
    assert (b"1e300" in again, orjson.loads(again)) == (True, run)


def test_a_field_of_the_next_version_is_ignored() -> None:
    assert read(LedgerCommand, orjson.dumps({**COMMAND, "added": "later"})) == read(
        LedgerCommand, orjson.dumps(COMMAND)
    )


@pytest.mark.parametrize(
    ("wrong", "where"),
    [
        ({"status": "sk_test_secret"}, "$.status"),
        ({"revision": "sk_test_secret"}, "$.revision"),
        ({"revision": -1}, "$.revision"),
        ({"suspect": "sk_test_secret"}, "$.suspect"),
        ({"failure": {"error": "sk_test_secret", "reason": None}}, "$.failure.error"),
        ({"told": {"action": "a"}}, "$.told"),
        ({"digest": None}, "$.digest"),
    ],
)
def test_a_wrong_type_is_an_error_without_the_value(wrong: dict[str, object], where: str) -> None:
    with pytest.raises(UnreadableRecordError, match="LedgerCommand: ") as raised:
        read(LedgerCommand, orjson.dumps({**COMMAND, **wrong}))
    assert f"at `{where}`" in str(raised.value)
    assert "sk_test_secret" not in str(raised.value)


@pytest.mark.parametrize("value", [b"", b"sk_test_secret", b"[]", b"null", b"\xff", b'{"status":"wait'])
def test_what_is_not_json_is_an_error_without_the_value(value: bytes) -> None:
    with pytest.raises(UnreadableRecordError) as raised:
        read(LedgerCommand, value)
    assert "sk_test_secret" not in str(raised.value)


@pytest.mark.parametrize("kind", STRUCTS, ids=lambda kind: kind.__name__)
def test_a_struct_is_frozen_and_leaves_its_defaults_out(kind: type[Struct]) -> None:
    """The schema says of a field whose default is null that it is never null: then it must not be written."""
    config = kind.__struct_config__
    assert config.frozen
    assert config.omit_defaults or not any(not field.required for field in msgspec.structs.fields(kind))


@pytest.mark.parametrize("name", KINDS)
def test_the_schema_has_every_field_of_the_struct(name: str) -> None:
    schema = SCHEMAS[f"{name}.v1"]
    assert set(schema["properties"]) == set(KINDS[name].__struct_encode_fields__)


def without(kind: type[Struct], removed: str) -> type[Struct]:
    """The struct as a next version would have it, without a field."""
    fields = [
        (one.name, one.type, msgspec.field(name=one.encode_name, **({} if one.required else {"default": one.default})))
        for one in msgspec.structs.fields(kind)
        if one.name != removed
    ]
    return msgspec.defstruct(kind.__name__, fields, frozen=True, kw_only=True, omit_defaults=True)


@pytest.mark.parametrize("field", ["suspect", "failure"])
def test_the_gate_refuses_to_lose_a_field_that_money_rests_on(field: str) -> None:
    released = json.loads(next((CONTRACTS / "released").glob("*/ledger-command.v1.schema.json")).read_text())
    changed = schemas.neat(without(LedgerCommand, field), side=Side.READ)
    refused = {
        found.where: found.sentence for found in compare("ledger-command", released, changed, Side.READ) if found.reason
    }
    assert "breaking" in refused[field]


def test_the_gate_refuses_another_default() -> None:
    """An older record that leaves `suspect` out says that it is none."""
    released = SCHEMAS["ledger-command.v1"]
    changed = {**released, "properties": {**released["properties"]}}
    changed["properties"]["suspect"] = {**released["properties"]["suspect"], "default": True}
    (found,) = compare("ledger-command", released, changed, Side.READ)
    assert (found.where, found.reason is not None) == ("suspect", True)
