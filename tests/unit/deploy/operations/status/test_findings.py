"""Every rule of `stripeline status`: what it finds, how much it matters, and the command that it names."""

import shlex
from dataclasses import replace
from typing import Any

import pytest
import typer
from msgspec.structs import replace as with_fields

from stripeline.contracts.operator.control_records import KeyRefusal, Pause
from stripeline.contracts.operator.operator_vocabulary import TopicProblemKind
from stripeline.contracts.operator.stripe_side_records import Sweep, SweptSince
from stripeline.contracts.operator.worker_report import EndpointTrouble, TaskReport
from stripeline.contracts.retry_tiers import DAY_MS
from stripeline.deploy.cli.app import app_for
from stripeline.deploy.operations.rights import Operation, ResourceKind, Right
from stripeline.deploy.operations.status.facts import Facts, Tally, Unread, WaitingCommands
from stripeline.deploy.operations.status.finding import (
    FindingKind,
    Severity,
    StatusFinding,
    advised,
    duration,
    in_a_row,
    numbers,
)
from stripeline.deploy.operations.status.findings import RULES, findings, needs_person
from stripeline.deploy.operations.topic_problems import Denied, TopicProblem
from tests.support.status_facts import ALL, NOW_MS, PARTITIONS, STARTED_MS, WELL, definitions, instance, workers

HOUR_MS = 3_600_000
STOPS, PERSON, NOTE = Severity.STOPS, Severity.PERSON, Severity.NOTE
KEY_NAME = definitions().connections["acme"].key_name
PAUSE = Pause(by="ada", why="the client asked", at_ms=NOW_MS - HOUR_MS)
ITSELF = Pause(by="stripeline", why="its limit of effects is reached", at_ms=NOW_MS - HOUR_MS)
DISABLED = EndpointTrouble(
    endpoint="shop", kind="disabled", text="destination we_1 is disabled at Stripe: run `stripeline endpoints apply`"
)
DENIED = Denied(
    rights=(Right(resource=ResourceKind.TOPIC, name="t", operation=Operation.DESCRIBE),), principal="User:ada"
)


def problem(kind: TopicProblemKind, **fields: Any) -> TopicProblem:
    return TopicProblem(**{"topic": "stripe.run", "kind": kind, "fault": "is wrong", "remedy": "correct it", **fields})


def with_workers(*changed: Any) -> Facts:
    """The processes where all is well, some of them in another way: by role."""
    roles = {one.report.role for one in changed}
    return replace(WELL, workers=workers(*(one for one in ALL if one.report.role not in roles), *changed))


def waiting(**fields: Any) -> Facts:
    one = WaitingCommands(**{"connection": "acme", "count": 3, "first_ms": NOW_MS - HOUR_MS, **fields})
    return replace(WELL, waiting=[one])


def tasks(**fields: Any) -> tuple[TaskReport, ...]:
    own = [TaskReport(role="executor", partition=number) for number in range(PARTITIONS)]
    return (with_fields(own[0], **fields), *own[1:])


REFUSED = definitions(key_refusals={"acme": KeyRefusal(key_name=KEY_NAME, since_ms=NOW_MS - HOUR_MS)})
ACCOUNT_REFUSED = definitions(key_refusals={"acme/acct_1": KeyRefusal(key_name=KEY_NAME, since_ms=NOW_MS)})
PAUSED = definitions(pauses={"connection/acme": PAUSE})
FORMER = problem(TopicProblemKind.FORMER_TIER, topic="stripe.action-retry.7m", stops=False)
WORKFLOW = {"workflow/thank": Pause(by="ada", why="a sale", at_ms=NOW_MS - 6 * DAY_MS)}

DAY_S = 86_400


def swept(**fields: Any) -> Facts:
    now_s = NOW_MS // 1000
    trigger = SweptSince(trigger="p", kind="stripe/payment-event", payload="snapshot", types=("a",), since_s=0)
    values = {"settled_upto_s": now_s - 900, "closed_upto_s": now_s - 3 * DAY_S, "triggers": (trigger,)}
    return replace(WELL, definitions=definitions(sweeps={"acme": Sweep(mode="test", at_ms=NOW_MS, **values | fields)}))


CASES: dict[str, tuple[Facts, FindingKind, Severity, str, str]] = {
    "kafka is away": (
        replace(WELL, kafka_away="Can't reach Kafka: nothing listens"), FindingKind.KAFKA_AWAY, STOPS,
        "nothing listens", "stripeline topics check",
    ),
    "kafka is away on this machine": (
        replace(WELL, kafka_away="Start it (`stripeline kafka run` starts one)"), FindingKind.KAFKA_AWAY, STOPS,
        "Start it", "stripeline kafka run",
    ),
    "a topic is missing": (
        replace(WELL, problems=[problem(TopicProblemKind.MISSING)]), FindingKind.TOPIC, STOPS,
        "stripe.run is wrong: correct it", "stripeline topics apply",
    ),
    "several topics have one fault": (
        replace(WELL, problems=[problem(TopicProblemKind.MISSING, topic=name) for name in ("a", "b")]),
        FindingKind.TOPIC, STOPS, "a and b: each is wrong", "stripeline topics apply",
    ),
    "a topic may not be seen": (
        replace(WELL, problems=[problem(TopicProblemKind.DENIED, denied=DENIED)]), FindingKind.TOPIC, STOPS,
        "stripe.run", "stripeline topics check --rights --role reading",
    ),
    "partitions that nobody reads": (
        replace(WELL, problems=[problem(TopicProblemKind.UNREAD_PARTITIONS, stops=False)]), FindingKind.TOPIC, PERSON,
        "stripe.run", "stripeline topics check",
    ),
    "a former tier that nobody reads": (
        replace(WELL, problems=[FORMER]), FindingKind.TOPIC, PERSON, "7m", "stripeline topics check",
    ),
    "a former tier that an executor reads": (
        replace(
            with_workers(instance("executor", tasks=tasks(tier_heads={FORMER.topic: NOW_MS}))), problems=[FORMER]
        ),
        FindingKind.TOPIC, NOTE, "7m", "stripeline topics check",
    ),
    "a topic could have more replicas": (
        replace(WELL, advice=[problem(TopicProblemKind.REPLICATION, stops=False)]), FindingKind.TOPIC, NOTE,
        "stripe.run", "stripeline topics check",
    ),
    "no ingest": (
        replace(WELL, workers=workers(*ALL[1:])), FindingKind.NO_PROCESS, STOPS, "No ingest runs", "stripeline ingest",
    ),
    "no executor while commands wait": (
        replace(WELL, workers=workers(*ALL[:2]), backlog={"executor": 26}), FindingKind.NO_PROCESS, STOPS,
        "No executor runs, and 26 records wait", "stripeline executor",
    ),
    "partitions without an executor": (
        with_workers(instance("executor", tasks=tasks()[:1])), FindingKind.NO_OWNER, STOPS,
        "No executor works on partitions 1 to 3 of 4", "stripeline executor",
    ),
    "a process that is silent for a session owns nothing": (
        with_workers(instance("executor", age_ms=12_000)), FindingKind.NO_OWNER, STOPS,
        "partitions 0 to 3", "stripeline executor",
    ),
    "a process that is not ready": (
        with_workers(instance("executor", not_ready="actions: run `stripeline get workflows`")),
        FindingKind.NOT_READY, STOPS, "executor/executor-0 is not ready: actions", "stripeline get workflows",
    ),
    "two processes that are not ready for one reason": (
        with_workers(*(instance("ingest", name, not_ready="kafka: away") for name in "ab")),
        FindingKind.NOT_READY, STOPS, "ingest/a and ingest/b are not ready: kafka", "stripeline status --json",
    ),
    "a process that starts": (
        with_workers(instance("ingest", not_ready="control: not read", started_ms=NOW_MS - 10_000)),
        FindingKind.NOT_READY, NOTE, "is starting", "stripeline status --watch",
    ),
    "a process without a key": (
        with_workers(instance("executor", master_keys=("aaaa0000",))), FindingKind.LACKS_KEY, STOPS,
        "executor/executor-0 does not hold master key 3f9a1c2b, which seals connection acme and trigger acme-payments",
        "stripeline keys status",
    ),
    "an endpoint whose destination is disabled": (
        with_workers(instance("executor", endpoints=(DISABLED,))), FindingKind.ENDPOINT, PERSON,
        "Endpoint shop: destination we_1 is disabled at Stripe", "stripeline endpoints apply",
    ),
    "an endpoint whose account could not be asked": (
        with_workers(instance("executor", endpoints=(with_fields(DISABLED, kind="not_asked", text="away"),))),
        FindingKind.ENDPOINT, NOTE, "Endpoint shop: away", "stripeline endpoints check",
    ),
    "another partition count": (
        with_workers(instance("ingest", partitions=8)), FindingKind.PARTITION_COUNT, STOPS,
        "STRIPELINE_PARTITIONS=8, and this command 4", "stripeline topics list",
    ),
    "records that no process has begun to read": (
        replace(WELL, unread=[Unread(role="executor", topic="stripe.action-retry.9m", partitions=(1, 2), records=7)]),
        FindingKind.UNREAD, STOPS, "7 records on stripe.action-retry.9m, partitions 1 and 2", "stripeline topics check",
    ),
    "commands that pass 23 h while paused": (
        replace(waiting(attempted=2, horizon_ms=NOW_MS + 5 * HOUR_MS, example="c1"), definitions=PAUSED),
        FindingKind.HORIZON, PERSON, "2 commands of acme pass 23 h from 2027-01-15 13:00 UTC on (in 5 h)",
        "stripeline resume connection acme",
    ),
    "commands that pass 23 h soon": (
        waiting(attempted=1, horizon_ms=NOW_MS + HOUR_MS, example="c1;reboot"), FindingKind.HORIZON, PERSON,
        "1 command of acme pass", "stripeline commands show 'c1;reboot'",
    ),
    "commands past 23 h": (
        waiting(attempted=2, horizon_ms=NOW_MS - 1, passed=1, example="c1"), FindingKind.HORIZON, PERSON,
        "1 command of acme is past 23 h", "stripeline commands show c1",
    ),
    "a refused key": (
        replace(waiting(), definitions=REFUSED), FindingKind.KEY_REFUSED, PERSON,
        "the key of connection acme since 2027-01-15 07:00 UTC, and 3 commands wait",
        "stripeline resume connection acme",
    ),
    "a refused account": (
        replace(WELL, definitions=ACCOUNT_REFUSED), FindingKind.KEY_REFUSED, PERSON,
        "the key of connection acme for account acct_1", "stripeline resume connection acme",
    ),
    "open dead letters": (
        replace(WELL, dead_letters=Tally(by={"exhausted": 2_000}, more=True)), FindingKind.DEAD_LETTERS, PERSON,
        "At least 2,000 open dead letters: exhausted", "stripeline dead-letters list --reason exhausted",
    ),
    "Stripe made no event": (
        replace(WELL, unmade_events=Tally(by={"charge": 2})), FindingKind.UNMADE_EVENTS, PERSON,
        "2 notices of Stripe in the last day", "stripeline events unmade",
    ),
    "stopped runs": (
        replace(WELL, stopped_runs=Tally(by={"PAYMENT_REQUIRED": 1})), FindingKind.STOPPED_RUNS, PERSON,
        "1 run stopped: PAYMENT_REQUIRED", "stripeline runs list --status stopped",
    ),
    "commands of a removed connection": (
        waiting(connection="gone"), FindingKind.NO_CONNECTION, PERSON, "3 commands wait for connection gone",
        "stripeline get connections",
    ),
    "a paused workflow near retention": (
        replace(WELL, definitions=definitions(pauses=WORKFLOW)), FindingKind.RETENTION, PERSON,
        "its first events leave their topic from 2027-01-16 08:00 UTC on (in 24 h)",
        "stripeline resume workflow thank --take-up",
    ),
    "a paused workflow past retention": (
        replace(WELL, definitions=definitions(pauses=WORKFLOW), event_retention_ms=DAY_MS), FindingKind.RETENTION,
        PERSON, "leave their topic since 2027-01-10", "stripeline resume workflow thank --take-up",
    ),
    "events that had not come after three days": (
        swept(missing=2), FindingKind.MISSED_EVENTS, PERSON, "2 events of connection acme had not come after three",
        "stripeline events list --connection acme --since 5d",
    ),
    "events that had not come after half an hour": (
        swept(settled_missing=1), FindingKind.MISSED_EVENTS, NOTE, "1 event of connection acme had not come after half",
        "stripeline events list --connection acme --since 5d",
    ),
    "a sweep that is late": (
        swept(closed_upto_s=NOW_MS // 1000 - 3 * DAY_S - 27 * 3_600), FindingKind.SWEEP_LATE, PERSON,
        "Events of connection acme that never came are not looked for since 27 h",
        "stripeline events missing --since 2d --connection acme",
    ),
    "records that wait for minutes": (
        with_workers(instance("executor", tasks=tasks(oldest_ms=400_000))), FindingKind.LATE, PERSON,
        "Records wait for 6 min on partition 0 of the executor", "stripeline executor",
    ),
    "a clock that is wrong": (
        with_workers(instance("ingest", skew_ms=90_000)), FindingKind.CLOCK, PERSON,
        "ingest-0 is 1 min ahead of Kafka's", "date -u",
    ),
    "a clock that is a little wrong": (
        with_workers(instance("ingest", skew_ms=-6_000)), FindingKind.CLOCK, NOTE, "is 6 s behind Kafka's", "date -u",
    ),
    "what could not be looked at": (
        replace(WELL, not_looked_at={"the dead letters": "Kafka denies User:ada a right"}), FindingKind.NOT_LOOKED_AT,
        PERSON, "Nothing is known of the dead letters: Kafka denies",
        "stripeline topics check --rights --role reading",
    ),
    "a part of a process does not work": (
        with_workers(instance("router", warnings="router: a batch can't be read")), FindingKind.WARNING, PERSON,
        "router/router-0: router: a batch", "stripeline status --json",
    ),
    "a connection that a person paused": (
        replace(waiting(), definitions=PAUSED), FindingKind.PAUSED, NOTE,
        "Connection acme is paused by ada since 2027-01-15 07:00 UTC, and 3 commands wait: the client asked",
        "stripeline resume connection acme",
    ),
    "a workflow that paused itself": (
        replace(WELL, definitions=definitions(pauses={"workflow/thank": ITSELF})), FindingKind.PAUSED, PERSON,
        "Workflow thank paused itself", "stripeline resume workflow thank",
    ),
    "a task that is being opened": (
        with_workers(instance("executor", tasks=tasks(open=False))), FindingKind.OPENING, NOTE,
        "Partition 0 of the executor is being opened", "stripeline status --watch",
    ),
    "a process that ended without a word": (
        with_workers(*ALL, instance("executor", "b", age_ms=240_000)), FindingKind.STALE, NOTE,
        "executor/b has not reported for 4 min", "stripeline status --watch",
    ),
    "versions side by side": (
        with_workers(instance("ingest", version="0.3.0")), FindingKind.VERSIONS, NOTE,
        "0.2.0 (2 processes) and 0.3.0 (1 process)", "stripeline status --watch",
    ),
    "a report that can't be read": (
        replace(WELL, workers=workers(*ALL, unreadable=("executor/x",))), FindingKind.UNREADABLE_REPORT, NOTE,
        "The report of executor/x", "stripeline --version",
    ),
}  # fmt: skip


def test_where_all_is_well_nothing_is_found() -> None:
    assert findings(WELL) == []
    assert findings(replace(WELL, workers=workers(instance("ingest"), instance("worker")))) == []
    assert findings(replace(WELL, workers=workers(with_up()))) == []


def with_up() -> Any:
    return replace(instance("worker"), report=with_fields(instance("worker").report, role="up"))


@pytest.mark.parametrize("name", CASES)
def test_each_rule_finds_its_case(name: str) -> None:
    facts, kind, severity, text, command = CASES[name]
    found = [one for one in findings(facts) if one.kind is kind]
    assert [(one.severity, text in one.text) for one in found] == [(severity, True)], found
    assert found[0].command is not None
    assert found[0].command.startswith(command)


def test_every_kind_has_a_case() -> None:
    assert {case[1] for case in CASES.values()} == set(FindingKind)


@pytest.mark.parametrize("name", CASES)
def test_a_person_is_needed_unless_it_is_a_note(name: str) -> None:
    facts, _, _, _, _ = CASES[name]
    found = findings(facts)
    assert needs_person(found) == any(one.severity in {STOPS, PERSON} for one in found)


def test_the_worst_is_first() -> None:
    facts = replace(
        WELL, problems=[problem(TopicProblemKind.MISSING)], dead_letters=Tally(by={"exhausted": 1}),
        workers=workers(*ALL, instance("executor", "b", age_ms=99_000)),
        definitions=PAUSED, stopped_runs=Tally(by={"A": 1, "B": 5}),
    )  # fmt: skip
    found = findings(facts)
    assert [one.severity for one in found] == sorted(one.severity for one in found)
    assert [one.kind for one in found] == [
        FindingKind.TOPIC, FindingKind.DEAD_LETTERS, FindingKind.STOPPED_RUNS, FindingKind.STOPPED_RUNS,
        FindingKind.PAUSED, FindingKind.STALE,
    ]  # fmt: skip
    assert "5 runs stopped: B" in found[2].text


def test_a_sweep_of_a_paused_or_removed_connection_is_not_late() -> None:
    late = swept(settled_upto_s=0).definitions
    assert late is not None
    assert findings(replace(WELL, definitions=late)) != []
    paused = replace(late, pauses={"connection/acme": PAUSE})
    assert FindingKind.SWEEP_LATE not in {one.kind for one in findings(replace(WELL, definitions=paused))}
    assert findings(replace(WELL, definitions=replace(late, connections={}, triggers={}))) == []


def test_without_facts_nothing_is_claimed() -> None:
    unknown = replace(WELL, workers=None, definitions=None)
    assert findings(unknown) == []
    assert [one.kind for one in findings(replace(CASES["kafka is away"][0], dead_letters=Tally(by={"x": 1})))] == [
        FindingKind.KAFKA_AWAY
    ]


def test_a_reader_that_just_started_has_time_to_begin() -> None:
    facts = CASES["records that no process has begun to read"][0]
    young = instance("executor", started_ms=NOW_MS - 30_000)
    assert findings(replace(facts, workers=workers(*ALL[:2], young))) == []


def test_waiting_commands_that_are_safe_are_no_finding() -> None:
    assert findings(waiting(attempted=1, horizon_ms=NOW_MS + 9 * HOUR_MS)) == []
    assert findings(waiting()) == []


def test_a_pause_of_today_is_far_from_retention() -> None:
    found = findings(replace(WELL, definitions=definitions(pauses={"workflow/thank": PAUSE})))
    assert [one.kind for one in found] == [FindingKind.PAUSED]


@pytest.mark.parametrize("name", CASES)
def test_the_next_command_works_when_it_is_pasted(name: str) -> None:
    facts, kind, _, _, _ = CASES[name]
    for one in findings(facts):
        if one.kind is kind and one.command is not None and one.command != "date -u":
            requires_valid(shlex.split(one.command)[1:])


def requires_valid(words: list[str]) -> None:
    """Raises a usage error for a command, an option or an argument that does not exist."""
    command: Any = typer.main.get_command(app_for(()))
    if words == ["--version"]:
        return
    while hasattr(command, "resolve_command"):  # a group
        _, found, words = command.resolve_command(command.context_class(command), words)
        assert found is not None
        command = found
    command.make_context("stripeline", list(words))


def test_a_command_with_a_place_for_a_name_is_not_advised() -> None:
    assert advised("run `stripeline delete workflow NAME`, or `stripeline topics apply`") == "stripeline topics apply"
    assert advised("run `stripeline resume connection …`") is None
    assert advised("nothing") is None


def test_texts_are_short() -> None:
    assert numbers([0, 1, 2, 5, 7, 8]) == "0 to 2, 5 and 7 and 8"
    assert in_a_row(["a"]) == "a"
    assert in_a_row(["a", "b", "c", "d"]) == "a, b, c and 1 more"
    assert [duration(ms) for ms in (-5, 900, 59_999, 60_000, 7_200_000, 2 * DAY_MS)] == [
        "0 s", "0 s", "59 s", "1 min", "2 h", "2 d",
    ]  # fmt: skip


def test_rules_are_listed_once() -> None:
    assert len(RULES) == len(set(RULES))
    assert STARTED_MS < NOW_MS
    assert StatusFinding(kind=FindingKind.STALE, severity=NOTE, text="").command is None
