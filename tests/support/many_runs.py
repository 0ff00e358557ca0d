"""Records of many runs, as the topics have them, made fast: for measurements of the console's index.

Each event starts a run of two steps; one run in a hundred stops at its second step, with a dead letter.
"""

# ruff: noqa: E501  (records as templates)
from collections.abc import Iterator

from stripeline.contracts import headers as h
from stripeline.contracts.topics import Topics
from stripeline.deploy.operations.reading.topic_reader import Read

TOPICS = Topics()
PARTITIONS = 12
WORKFLOWS = [f"workflow-{number}" for number in range(20)]
CONNECTIONS = [f"team-{number}" for number in range(10)]
TYPES = ("payment_intent.succeeded", "charge.refunded", "customer.created", "payment_intent.payment_failed")
CODES = ("PAYMENT_REQUIRED", "VALIDATION_ERROR", "NOT_FOUND", "AUTH_EXPIRED", "INDETERMINATE")
_FILLER = "x" * 600


def event_id(number: int) -> str:
    return f"evt_1Bench{number:09}"


def run_id(number: int) -> str:
    return f"{event_id(number)}:{WORKFLOWS[number % len(WORKFLOWS)]}"


def records(first: int, last: int, newest_ms: int, apart_ms: int, whole: int) -> Iterator[Read]:
    """Of the runs with these numbers; number `whole` is the newest."""
    for number in range(first, last):
        yield from _of_run(number, newest_ms - (whole - number) * apart_ms)


def _of_run(number: int, at_ms: int) -> Iterator[Read]:
    partition, stopped, place = number % PARTITIONS, number % 100 == 7, number // PARTITIONS
    event, run, type_ = event_id(number), run_id(number), TYPES[number % len(TYPES)]
    workflow, connection, customer = (
        WORKFLOWS[number % len(WORKFLOWS)], CONNECTIONS[number % len(CONNECTIONS)], f"cus_{number % 50_000}",
    )  # fmt: skip
    code = CODES[number // 100 % len(CODES)]
    key = f"pi_{number}".encode()
    data = f'{{"id":"pi_{number}","object":"payment_intent","amount":5000,"currency":"eur","customer":"{customer}","description":"{_FILLER}"}}'
    whole = f'{{"id":"{event}","type":"{type_}","api_version":null,"created":{at_ms // 1000},"livemode":true,"data":{data},"request":null}}'
    headers = {h.TRIGGER: b"acme-payments", h.CONNECTION: connection.encode()}
    yield _read(TOPICS.events[number % 3], partition, number, at_ms, key, whole, headers)
    error = f'{{"code":"{code}","message":"Your card was declined.","retryable":false}}' if stopped else "null"
    steps, commands = [], []
    for index, (step, action) in enumerate((("customer", "create-customer"), ("deposit", "create-payment-intent"))):
        failed, at = stopped and index == 1, at_ms + 50 + 400 * index
        command_id, ref = f"{run}:{step}", f'{{"run_id":"{run}","workflow":"{workflow}","step":"{step}"}}'
        base = f'"command_id":"{command_id}","action":"stripe/{action}","connection":"{connection}"'
        command = f'{{{base},"input":{{"customer":"{customer}","amount":100}},"run":{ref}}}'
        yield _read(TOPICS.command, partition, place * 2 + index, at, key, command)
        output = (
            "null" if failed else f'{{"id":"obj_{number}_{index}","object":"payment_intent","customer":"{customer}"}}'
        )
        status, why = ("failed", error) if failed else ("succeeded", "null")
        result = f'{{{base},"revision":0,"status":"{status}","output":{output},"error":{why},"attempts":1,"started_at":{at},"finished_at":{at + 120 + number % 900},"run":{ref}}}'
        yield _read(TOPICS.result, partition, place * 2 + index, at + 300, key, result)
        steps.append(
            f'{{"id":"{step}","action":"stripe/{action}","command_id":"{command_id}","revision":0,"status":"{status}","output":{output},"error":{why},"started_at":{at},"finished_at":{at + 120}}}'
        )
        commands.append(command)
    state, left, ended = ("stopped", whole, '"deposit"') if stopped else ("succeeded", "null", "null")
    body = f'{{"run":"{run}","workflow":"{workflow}","trigger":"acme-payments","event":"{event}","event_type":"{type_}","status":"{state}","step":{ended},"error":{error},"steps":[{",".join(steps)}],"started_at":{at_ms + 20},"finished_at":{at_ms + 900},"definition":null,"context":{left},"connection":"{connection}","key":"pi_{number}"}}'
    yield _read(TOPICS.run, partition, place, at_ms + 900, run.encode(), body)
    if stopped:
        headers = {
            h.REASON: b"exhausted", h.CODE: code.encode(), h.ATTEMPTS: b"6", h.ORIGIN_TOPIC: TOPICS.command.encode(),
            h.LAST_ERROR: b"Your card was declined.", h.FIRST_APPENDED_AT: str(at_ms).encode(),
        }  # fmt: skip
        yield _read(TOPICS.dead_letter, partition, place, at_ms + 900, key, commands[1], headers)


def _read(
    topic: str, partition: int, offset: int, at_ms: int, key: bytes, value: str, headers: dict[str, bytes] | None = None
) -> Read:  # fmt: skip
    return Read(
        topic=topic, partition=partition, offset=offset, at_ms=at_ms, key=key, value=value.encode(),
        headers=headers or {},
    )  # fmt: skip
