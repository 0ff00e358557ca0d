"""The page of `stripeline status`: 80 columns, worst first, harmless; and the same for a script."""

from dataclasses import replace

from rich.cells import cell_len

from stripeline.contracts.headers import rfc3339
from stripeline.contracts.operator.control_records import Pause
from stripeline.contracts.operator.worker_report import TaskReport
from stripeline.deploy.operations.status.facts import Facts, Tally, WaitingCommands
from stripeline.deploy.operations.status.finding import FindingKind, Severity, StatusFinding
from stripeline.deploy.operations.status.findings import findings
from stripeline.deploy.operations.status.status_page import WIDTH, as_json, page
from tests.support.status_facts import ALL, NOW_MS, WELL, definitions, instance, workers

HOUR_MS = 3_600_000
TASKS = (
    TaskReport(role="executor", partition=0, lag=1_200, oldest_ms=850_000, in_hand=12, calls=7),
    TaskReport(role="executor", partition=1, open=False),
)
TROUBLE = replace(
    WELL,
    workers=workers(
        instance("ingest"),
        instance("router"),
        instance("executor", tasks=TASKS),
        instance("executor", "executor-1", age_ms=240_000, version="0.1.9"),
    ),
    definitions=definitions(
        pauses={"connection/acme": Pause(by="ada", why="the client asked us to stop", at_ms=NOW_MS - HOUR_MS)}
    ),
    dead_letters=Tally(by={"exhausted": 3}),
    stopped_runs=Tally(by={"PAYMENT_REQUIRED": 2}),
    waiting=[
        WaitingCommands(
            connection="acme", count=26, first_ms=NOW_MS - HOUR_MS, attempted=2, horizon_ms=NOW_MS + 22 * HOUR_MS,
            example="c1",
        )
    ],
)  # fmt: skip

WELL_PAGE = """\
stripeline 0.2.0                                            2027-01-15 08:00 UTC
Kafka kafka:9092, topics stripe.*

All is well: nothing waits for a person.

PROCESSES  live  stale  version  tasks  in hand  behind  oldest
ingest        1      -    0.2.0      -        -       -       -
router        1      -    0.2.0    4/4        0       0       -
executor      1      -    0.2.0    4/4        0       0       -"""

TROUBLE_PAGE = """\
stripeline 0.2.0                                            2027-01-15 08:00 UTC
Kafka kafka:9092, topics stripe.*

WORK STOPS
  No executor works on partitions 2 and 3 of 4; a rebalance takes some seconds
    $ stripeline executor

A PERSON IS NEEDED
  2 commands of acme pass 23 h from 2027-01-16 06:00 UTC on (in 22 h): after
  that none is sent again
    $ stripeline resume connection acme
  3 open dead letters: exhausted
    $ stripeline dead-letters list --reason exhausted
  2 runs stopped: PAYMENT_REQUIRED
    $ stripeline runs list --status stopped --code PAYMENT_REQUIRED
  Records wait for 14 min on partition 0 of the executor: start more, or see
  Capacity in docs/operations.md
    $ stripeline executor

NOTES
  Connection acme is paused by ada since 2027-01-15 07:00 UTC, and 26 commands
  wait: the client asked us to stop
    $ stripeline resume connection acme
  Partition 1 of the executor is being opened
    $ stripeline status --watch
  executor/executor-1 has not reported for 4 min: it has died, or can't reach
  Kafka; the log says why. Forgotten after a day
    $ stripeline status --watch

PROCESSES  live  stale  version  tasks  in hand  behind  oldest
ingest        1      -    0.2.0      -        -       -       -
router        1      -    0.2.0    4/4        0       0       -
executor      1      1    0.2.0    2/4       12   1,200  14 min

WAITING COMMANDS OF  commands  oldest          23 h pass at
acme                       26  60 min  2027-01-16 06:00 UTC"""


def drawn(facts: Facts) -> str:
    return "\n".join(page(facts, findings(facts)))


def test_where_all_is_well_the_page_is_a_few_lines() -> None:
    assert drawn(WELL) == WELL_PAGE


def test_trouble_is_shown_worst_first() -> None:
    assert drawn(TROUBLE) == TROUBLE_PAGE


def test_no_line_is_wider_than_the_terminal() -> None:
    assert max(map(cell_len, drawn(TROUBLE).splitlines())) <= WIDTH


def test_texts_of_others_are_harmless_and_bounded() -> None:
    evil = "\x1b[2J\x1b[31m" + "boo " * 400 + "sk_live_abcdefghijklmnop"
    connection = WaitingCommands(connection="\x1b]0;x\x07" + "y" * 90, count=1, first_ms=NOW_MS)
    facts = replace(WELL, not_looked_at={"the topics": evil}, waiting=[connection], kafka="k\x1b[0m" * 40)
    text = drawn(facts)
    assert "\x1b" not in text
    assert "\x07" not in text
    assert "sk_live_abc" not in text + str(as_json(facts, findings(facts)))
    assert max(map(cell_len, text.splitlines())) <= WIDTH


def test_many_findings_are_cut_with_a_word() -> None:
    many = replace(WELL, dead_letters=Tally(by={f"reason-{number}": 1 for number in range(40)}))
    assert "… and 10 more: stripeline status --json" in drawn(many)


def test_a_finding_may_have_no_command() -> None:
    found = [StatusFinding(kind=FindingKind.STALE, severity=Severity.NOTE, text="so it is")]
    assert "  so it is" in page(WELL, found)


def test_without_kafka_the_page_has_its_cause_alone() -> None:
    away = replace(WELL, kafka_away="Can't reach Kafka: nothing listens", workers=None, prefix="")
    assert drawn(away).splitlines()[1:] == [
        "Kafka kafka:9092, topics without a prefix", "", "WORK STOPS", "  Can't reach Kafka: nothing listens",
        "    $ stripeline topics check",
    ]  # fmt: skip


def test_two_versions_of_a_role_are_counted() -> None:
    both = replace(WELL, workers=workers(*ALL, instance("ingest", "b", version="0.3.0")))
    assert "ingest        2      -  2 versions" in drawn(both)


def test_a_console_is_shown_where_one_runs() -> None:
    with_console = replace(WELL, workers=workers(*ALL, instance("console")))
    assert "console       1      -    0.2.0      -" in drawn(with_console)
    assert "console" not in drawn(WELL)
    assert findings(with_console) == []


def test_without_a_process_the_backlog_is_kafkas() -> None:
    nobody = replace(WELL, workers=workers(*ALL[:2]), backlog={"executor": 26})
    assert "executor      0      -        -    0/4        0      26       -" in drawn(nobody)


def test_a_script_gets_one_object() -> None:
    made = as_json(TROUBLE, findings(TROUBLE))
    assert (made["needs_person"], made["at"]) == (True, "2027-01-15T08:00:00.000Z")
    assert made["findings"][0] == {
        "kind": "no_owner", "severity": "stops", "command": "stripeline executor",
        "text": "No executor works on partitions 2 and 3 of 4; a rebalance takes some seconds",
    }  # fmt: skip
    assert [(one["name"], one["stale"], one["ready"]) for one in made["processes"]][-1] == (
        "executor/executor-1", True, True,
    )  # fmt: skip
    assert (made["dead_letters"], made["stopped_runs"]) == ({"exhausted": 3}, {"PAYMENT_REQUIRED": 2})
    assert made["waiting"][0]["passes_23h_at"] == "2027-01-16T06:00:00.000Z"
    unknown = as_json(replace(WELL, workers=None), [])
    assert (unknown["processes"], unknown["dead_letters"], unknown["waiting"]) == ([], None, None)


def test_the_page_says_when_stripe_reached_each_trigger() -> None:
    first = instance("ingest", "a", reached={"payments": NOW_MS - 90_000, "charges": NOW_MS - 3_000})
    second = instance("ingest", "b", reached={"payments": NOW_MS - 4_000})
    facts = replace(WELL, workers=workers(*ALL, first, second))
    lines = page(facts, findings(facts))
    at = next(number for number, line in enumerate(lines) if line.startswith("REACHED BY STRIPE"))
    assert [line.split() for line in lines[at + 1 : at + 3]] == [
        ["charges", "3", "s", "ago"],
        ["payments", "4", "s", "ago"],
    ]
    assert as_json(facts, [])["reached"] == {"charges": rfc3339(NOW_MS - 3_000), "payments": rfc3339(NOW_MS - 4_000)}
    assert not any(line.startswith("REACHED") for line in page(WELL, []))
