"""The tables of the index: a summary and the coordinates of each record; payloads stay in Kafka.

Times are milliseconds since the epoch. Every row can be made again from the topics: a change of these tables is a new
`FORMAT`, which makes each console delete its index and read again.
"""

from typing import Final

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, MetaData, Table, Text, text

FORMAT: Final = 7

metadata: Final = MetaData()


def _given(name: str, column: str, *rest: str) -> Index:
    """An index of the rows that have a value: of what most rows lack it is small."""
    there = text(f"{column} IS NOT NULL")
    return Index(name, column, *rest, sqlite_where=there, postgresql_where=there)


meta = Table("meta", metadata, Column("name", Text, primary_key=True), Column("value", Text, nullable=False))

place = Table(
    "place", metadata,
    Column("topic", Text, primary_key=True), Column("number", Integer, primary_key=True),
    Column("next_offset", BigInteger, nullable=False),
)  # fmt: skip
"""How far each partition was read: written in the transaction of what was read."""

gap = Table(
    "gap", metadata,
    Column("topic", Text, primary_key=True), Column("number", Integer, primary_key=True),
    Column("first", BigInteger, primary_key=True),
    Column("last", BigInteger, nullable=False), Column("why", Text, nullable=False),
    Column("since_ms", BigInteger, nullable=False),
)  # fmt: skip
"""Offsets that could not be read, and were passed: written in the transaction that moves the place over them."""

event = Table(
    "event", metadata,
    Column("topic", Text, primary_key=True), Column("number", Integer, primary_key=True),
    Column("offset", BigInteger, primary_key=True),
    Column("event_id", Text), Column("type", Text), Column("trigger", Text), Column("connection", Text),
    Column("account", Text), Column("object_id", Text), Column("payment_intent", Text), Column("customer", Text),
    Column("livemode", Boolean), Column("key", Text),
    Column("created_ms", BigInteger), Column("received_ms", BigInteger, nullable=False),
    Column("late_by_ms", BigInteger),
    Index("event_account", "account", "received_ms"), Index("event_connection", "connection", "received_ms"),
    Index("event_received", "received_ms"), Index("event_type", "type", "received_ms"),
    Index("event_trigger", "trigger", "received_ms"), Index("event_event_id", "event_id", "received_ms"),
    Index("event_object", "object_id", "received_ms"),
    Index("event_payment_intent", "payment_intent", "received_ms"),
    Index("event_customer", "customer", "received_ms"), _given("event_late", "late_by_ms", "received_ms"),
)  # fmt: skip

run = Table(
    "run", metadata,
    Column("run_id", Text, primary_key=True),
    Column("number", Integer, nullable=False), Column("offset", BigInteger, nullable=False),
    Column("changed_ms", BigInteger, nullable=False),
    Column("workflow", Text, nullable=False), Column("trigger", Text, nullable=False),
    Column("event_id", Text, nullable=False), Column("event_type", Text, nullable=False),
    Column("connection", Text), Column("account", Text), Column("customer", Text), Column("object_id", Text),
    Column("status", Text, nullable=False), Column("step", Text), Column("code", Text), Column("error", Text),
    Column("steps", Integer, nullable=False),
    Column("started_ms", BigInteger, nullable=False), Column("finished_ms", BigInteger),
    Index("run_started", "started_ms"), Index("run_status", "status", "started_ms"),
    Index("run_workflow", "workflow", "started_ms"), _given("run_code", "code", "started_ms"),
    Index("run_finished", "status", "finished_ms"),
    Index("run_codes", "status", "code", "finished_ms", "started_ms"),
    Index("run_type", "event_type", "started_ms"), Index("run_trigger", "trigger", "started_ms"),
    Index("run_connection", "connection", "started_ms"), _given("run_account", "account", "started_ms"),
    Index("run_event", "event_id", "started_ms"), Index("run_customer", "customer", "started_ms"),
    Index("run_object", "object_id", "started_ms"),
    Index(
        "run_stopped", "status", "started_ms", "run_id", "workflow", "trigger", "event_type", "connection", "account",
        "code", "customer", "event_id", sqlite_where=text("status = 'stopped'"),
    ).ddl_if(dialect="sqlite"),
)  # fmt: skip
"""The last index has all that an act on many stopped runs asks for: 10,000 rows from all over the table take SQLite a
third of a second. PostgreSQL does without, and refuses a row that is too long for an index."""

command = Table(
    "command", metadata,
    Column("number", Integer, primary_key=True), Column("command_id", Text, primary_key=True),
    Column("action", Text), Column("connection", Text), Column("account", Text), Column("key", Text),
    Column("run_id", Text), Column("workflow", Text), Column("step", Text),
    Column("status", Text, nullable=False), Column("status_ms", BigInteger, nullable=False),
    Column("code", Text), Column("error", Text), Column("attempts", Integer), Column("revision", Integer),
    Column("object_id", Text), Column("customer", Text),
    Column("sent_ms", BigInteger, nullable=False), Column("due_ms", BigInteger),
    Column("started_ms", BigInteger), Column("finished_ms", BigInteger),
    Column("command_offset", BigInteger), Column("tier", Text), Column("tier_offset", BigInteger),
    Column("result_offset", BigInteger),
    Column("standing", BigInteger, nullable=False), Column("standing_tie", BigInteger, nullable=False),
    Column("described", BigInteger, nullable=False), Column("customer_from", BigInteger),
    Column("object_from", BigInteger),
    Index("command_sent", "sent_ms"), Index("command_status", "status", "sent_ms"),
    Index("command_connection", "connection", "sent_ms"), _given("command_code", "code", "sent_ms"),
    Index("command_action", "action", "sent_ms"), _given("command_account", "account", "sent_ms"),
    Index("command_key", "key", "sent_ms"),
    Index("command_command_id", "command_id", "sent_ms"), Index("command_run", "run_id", "sent_ms"),
    Index("command_object", "object_id", "sent_ms"), Index("command_customer", "customer", "sent_ms"),
)  # fmt: skip
"""status: sent, waiting (in a tier), or its newest result's: succeeded, failed, indeterminate. The same id on two
partitions is two commands. code, error, attempts, due_ms, tier, tier_offset: of what `status` is from.

The last five columns rank the facts that the others come from, for `rows/registers.py`: no page reads them."""

outcome = Table(
    "outcome", metadata,
    Column("number", Integer, primary_key=True), Column("command_id", Text, primary_key=True),
    Column("topic", Text, primary_key=True), Column("offset", BigInteger, primary_key=True),
    Column("at_ms", BigInteger, nullable=False), Column("status", Text, nullable=False),
    Column("revision", Integer), Column("attempts", Integer), Column("code", Text), Column("error", Text),
    Column("due_ms", BigInteger),
    Index("outcome_at", "at_ms"),
)  # fmt: skip
"""What became of a command before its newest state: each wait in a tier, and each result. Without the first result that
succeeded, as nearly all do: no other follows it, and `command` has it."""

letter = Table(
    "letter", metadata,
    Column("number", Integer, primary_key=True), Column("offset", BigInteger, primary_key=True),
    Column("command_id", Text), Column("key", Text), Column("action", Text), Column("connection", Text),
    Column("account", Text), Column("customer", Text), Column("run_id", Text),
    Column("reason", Text), Column("code", Text), Column("error", Text), Column("attempts", Integer),
    Column("origin", Text), Column("state", Text, nullable=False), Column("state_ms", BigInteger),
    Column("first_ms", BigInteger), Column("at_ms", BigInteger, nullable=False),
    Index("letter_state", "state", "at_ms"), Index("letter_groups", "state", "reason", "code", "at_ms", "first_ms"),
    Index("letter_command", "command_id", "number"),
    Index("letter_at", "at_ms"),
)  # fmt: skip
"""first_ms: when the command was first appended, from which its 23 hours run at the earliest."""

audit = Table(
    "audit", metadata,
    Column("number", Integer, primary_key=True), Column("offset", BigInteger, primary_key=True),
    Column("act", Text, nullable=False), Column("by", Text, nullable=False), Column("why", Text, nullable=False),
    Column("about", Text), Column("body", Text, nullable=False), Column("at_ms", BigInteger, nullable=False),
    Index("audit_at", "at_ms"), Index("audit_about", "about", "at_ms"), Index("audit_act", "act", "at_ms"),
)  # fmt: skip
"""body: the whole record, as JSON with secrets masked: an act names records by ranges, and carries definitions."""

letter_act = Table(
    "letter_act", metadata,
    Column("audit_number", Integer, primary_key=True), Column("audit_offset", BigInteger, primary_key=True),
    Column("range", Integer, primary_key=True),
    Column("number", Integer, nullable=False), Column("first", BigInteger), Column("last", BigInteger),
    Column("command_id", Text),
    Index("letter_act_place", "number", "last"), Index("letter_act_command", "command_id", "number"),
)  # fmt: skip
"""Which dead letters an act of the audit is about: of one partition, by offsets or by their command."""

tally = Table(
    "tally", metadata,
    Column("minute", BigInteger, primary_key=True), Column("name", Text, primary_key=True),
    Column("count", BigInteger, nullable=False),
)  # fmt: skip
"""Counts a minute since the epoch, for the curves: `events`, `results`, `failed` (those of the results that did not
succeed), and how long they took, in the buckets of `latency_buckets`."""

preview = Table(
    "preview", metadata,
    Column("act_id", Text, primary_key=True), Column("by", Text, nullable=False),
    Column("selection", Text, nullable=False), Column("state", Text, nullable=False),
    Column("since_ms", BigInteger, nullable=False), Column("touched_ms", BigInteger, nullable=False),
    Column("total", Integer, nullable=False), Column("acting", Integer, nullable=False),
    Column("done", Integer, nullable=False), Column("committed", Integer, nullable=False),
    Column("left_out", Integer, nullable=False), Column("unknown", Integer, nullable=False),
    Column("cut", Boolean, nullable=False), Column("stop", Boolean, nullable=False),
    Column("why", Text, nullable=False), Column("rate", Integer, nullable=False), Column("words", Text, nullable=False),
    Column("items", Text, nullable=False),
    Index("preview_by", "by", "state"), Index("preview_touched", "touched_ms"),
)  # fmt: skip
"""Bulk acts, from their previews to their ends, for consoles of one store (`bulk/act_store.py`). Made of no topic."""

FROM_TOPICS: Final = (place, gap, event, run, command, outcome, letter, audit, letter_act, tally)
"""The tables that can be made again from the topics; the others are the console's own."""
