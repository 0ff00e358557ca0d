"""Snapshots of the control topic: as a dictionary would have it, never altered, shared where nothing changed."""

from dataclasses import fields
from types import SimpleNamespace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stripeline.contracts.definitions import KINDS, Connection, Definitions, Trigger, encode_definition
from stripeline.contracts.internal_records import encode
from stripeline.contracts.operator.control_keys import FACTS, INSTALLATION_KEY
from stripeline.contracts.operator.control_records import ControlPlace, Installation, Pause
from stripeline.workers.kafka.control_rows import FIELDS, ControlRows, LateRows, with_same


def connection(hint: str) -> bytes:
    return encode_definition(Connection(secret_key="sealed:v1:k:x", mode="test", hint=hint))


def trigger(connection: str) -> bytes:
    return encode_definition(Trigger(kind="stripe/charge-event", connection=connection))


def pause(why: str) -> bytes:
    return encode(Pause(by="ada", why=why, at_ms=1))


VALUES = {"connection": connection, "trigger": trigger, "pause/connection": pause}
KEYS = [f"{kind}/{name}" for kind in VALUES for name in ("acme", "globex")]
RECORDS = st.lists(st.tuples(st.sampled_from(KEYS), st.sampled_from([None, "unreadable", "a", "b"])), max_size=25)


def record(offset: int, key: str, what: str | None):
    made = VALUES[key.rpartition("/")[0]]
    value = None if what is None else b"{" if what == "unreadable" else made(what)
    return SimpleNamespace(key=key.encode(), value=value, offset=offset, timestamp=1_000 + offset)


def said(definitions: Definitions) -> dict[str, tuple[object, ControlPlace]]:
    """Each key with what a reader sees of it."""
    found = {f"connection/{name}": one.hint for name, one in definitions.connections.items()}
    found |= {f"trigger/{name}": one.connection for name, one in definitions.triggers.items()}
    found |= {f"pause/{name}": one.why for name, one in definitions.pauses.items()}
    assert set(definitions.places) == set(found)
    assert len(definitions.places) == len(found)
    return {key: (value, definitions.places[key]) for key, value in found.items()}


@given(RECORDS)
def test_rows_are_what_a_dictionary_would_have(records):
    rows, model = ControlRows(), {}
    for offset, (key, what) in enumerate(records):
        before = rows.snapshot()
        as_it_was = said(before)
        rows.put(record(offset, key, what))
        if what is None:
            model.pop(key, None)
        elif what != "unreadable":
            model[key] = (what, ControlPlace(offset, 1_000 + offset))
        assert said(rows.snapshot()) == model
        assert said(before) == as_it_was, "a snapshot is never altered"


@given(RECORDS)
@example([("connection/acme", "a"), *[("connection/acme", "unreadable")] * 7])
@example([("connection/acme", "unreadable"), *[("connection/acme", "a")] * 7])
def test_rows_that_are_parsed_late_say_the_same(records):
    rows, late = ControlRows(), LateRows()
    for offset, (key, what) in enumerate(records):
        if what == "unreadable" and key not in said(rows.snapshot()):
            continue  # its place is told apart below
        for one in (rows, late):
            one.put(record(offset, key, what))
    now, then = rows.snapshot(), late.snapshot()
    assert {name: dict(getattr(now, name)) for name in FIELDS.values()} == {
        name: dict(getattr(then, name)) for name in FIELDS.values()
    }
    assert set(now.places) == set(then.places)
    assert all(then.places[key].offset >= place.offset for key, place in now.places.items())


def test_what_is_on_the_topic_late_has_its_place():
    late = LateRows()
    late.put(record(0, "connection/acme", "a"))
    late.put(record(1, "connection/acme", "unreadable"))
    found = late.snapshot()
    assert (found.connections["acme"].hint, found.places["connection/acme"].offset) == ("a", 1)
    late.put(record(2, "connection/acme", None))
    assert dict(late.snapshot().connections) == {}
    assert len(late.snapshot().places) == 0


@given(RECORDS, st.sampled_from(KEYS), st.sampled_from([None, "unreadable", "a", "b"]))
def test_a_change_leaves_the_mappings_of_other_kinds(records, key, what):
    rows = ControlRows()
    for offset, (one, value) in enumerate(records):
        rows.put(record(offset, one, value))
    before = rows.snapshot()
    rows.put(record(99, key, what))
    after, mine = rows.snapshot(), FIELDS[key.partition("/")[0]]
    others = {one.name for one in fields(Definitions)} - {mine, "places"}
    assert all(getattr(after, name) is getattr(before, name) for name in others)


def test_the_same_value_again_is_the_same_object():
    rows = ControlRows()
    rows.put(record(0, "connection/acme", "a"))
    first = rows.snapshot()
    rows.put(record(1, "connection/acme", "a"))
    second = rows.snapshot()
    assert second.connections["acme"] is first.connections["acme"]
    assert second.places["connection/acme"].offset == 1


def test_a_second_reading_forgets_what_is_not_on_the_topic():
    former = ControlRows()
    for offset, name in enumerate(("acme", "globex", "initech")):
        former.put(record(offset, f"connection/{name}", "a"))
    before, rows = former.snapshot(), ControlRows(former)
    rows.put(record(0, "connection/acme", "a"))
    rows.put(record(5, "connection/globex", "unreadable"))
    rows.end_loading()
    after = rows.snapshot()
    assert dict(after.connections) == {name: before.connections[name] for name in ("acme", "globex")}
    assert after.places["connection/globex"].offset == 1
    rows.put(record(6, "connection/initech", "unreadable"))
    assert "initech" not in rows.snapshot().connections


def test_what_is_as_before_is_the_very_same():
    def read() -> Definitions:
        rows = ControlRows()
        rows.put(record(0, "connection/acme", "a"))
        rows.put(record(1, "trigger/acme", "a"))
        return rows.snapshot()

    before = read()
    assert with_same(before, read()) is before
    rows = ControlRows()
    rows.put(record(0, "connection/acme", "b"))
    rows.put(record(1, "trigger/acme", "a"))
    merged = with_same(before, rows.snapshot())
    assert merged.triggers is before.triggers
    assert merged.connections["acme"].hint == "b"


def test_each_kind_of_key_has_its_field():
    assert {*FIELDS, INSTALLATION_KEY} == {*KINDS, *FACTS}
    assert {*FIELDS.values(), "installation", "places"} == {one.name for one in fields(Definitions)}


@pytest.mark.parametrize(("key", "there"), [(b"installation", True), (b"installation/", False)])
def test_the_installation_has_a_key_without_a_name(key, there):
    rows = ControlRows()
    value = encode(Installation(id="abc", format=1))
    rows.put(SimpleNamespace(key=key, value=value, offset=0, timestamp=1))
    assert (rows.snapshot().installation is not None) is there
    rows.put(SimpleNamespace(key=b"nonsense/x", value=None, offset=1, timestamp=1))
    rows.put(SimpleNamespace(key=None, value=b"{}", offset=2, timestamp=1))
    assert len(rows.snapshot().places) == there
