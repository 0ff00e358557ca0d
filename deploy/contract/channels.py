"""The topics as channels: what is on each, what its key means, and who may write and read it. Pure.

A new topic is one entry here; its name and settings come from `contracts/topics.py`.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Final

from stripeline.contracts.definitions import KINDS
from stripeline.contracts.families import families
from stripeline.contracts.headers import ACT, CANCELS, SETTLES
from stripeline.contracts.operator.control_keys import FACTS, INSTALLATION_KEY
from stripeline.contracts.topics import Topic, Topics
from stripeline.deploy.contract.channel import ID_KEY, Channel, Message, address_of
from stripeline.deploy.contract.delivery_channels import events_seen, health_events, thin_events
from stripeline.deploy.settings.settings import Settings

ROLES: Final[Mapping[str, str]] = {
    "other-teams": "Teams that build on Stripeline: they receive events and results, and send commands.",
    "ingest": "Stripeline's receiver of webhooks.",
    "router": "Stripeline's router: starts runs, and takes them on with each result.",
    "executor": "Stripeline's executor: carries commands out at Stripe.",
    "operator": "The person who runs Stripeline, with the command `stripeline`.",
}

_ORDER_KEY: Final = {
    "type": ["string", "null"],
    "maxLength": 1024,
    "description": "the producer's ordering key: commands of one key run one after the other; null for no order",
}


@cache
def channels() -> Sequence[Channel]:
    """Every topic of the default prefix; the retry topics are one channel with a parameter."""
    topics = Topics()
    wanted = {topic.name: topic for topic in topics.all(int(Settings.model_fields["partitions"].default))}
    events = [
        _events(wanted[topics.event(family.topic)], family.topic, family.prefix) for family in families().values()
    ]
    first_retry = wanted[next(iter(topics.retries))]
    return (
        *events,
        thin_events(wanted[topics.thin_event]),
        health_events(wanted[topics.health_event]),
        events_seen(wanted[topics.event_seen]),
        _commands(wanted[topics.command]),
        _results(wanted[topics.result]),
        _retries(first_retry),
        _dead_letters(wanted[topics.dead_letter]),
        _runs(wanted[topics.run]),
        _ledger(wanted[topics.ledger]),
        _acts(wanted[topics.act]),
        _audit(wanted[topics.audit]),
        _workers(wanted[topics.worker]),
        _control(wanted[topics.control]),
    )


def channel_by_topic(topics: Topics) -> Mapping[str, Channel]:
    """The channel of each topic of a prefix, by the topic's name."""
    return {
        channel.address.format(prefix=topics.prefix, tier=tier.name): channel
        for channel in channels()
        for tier in topics.tiers
    }


def _events(topic: Topic, name: str, prefix: str) -> Channel:
    key = {**ID_KEY, "description": "the id of the object that the event is about: one object, one order"}
    return Channel(
        name=name,
        topic=topic,
        address=address_of(topic),
        title=f"events {prefix}*",
        about=f"Stripe's verified events of the types `{prefix}*`, each as Stripe sent its object.",
        messages=[Message(name=name, title=f"an event {prefix}*", key=key, payload=name, headers="event-headers")],
        writers=("ingest", "executor", "operator"),
        readers=("other-teams", "router"),
    )


def _commands(topic: Topic) -> Channel:
    command = Message(
        name="command", title="a command", key=_ORDER_KEY, payload="command", headers="command-headers",
        about="Something to do at Stripe. Done once per `command_id` and key; ends with a result.",
        correlation="$message.payload#/command_id",
    )  # fmt: skip
    settlement = Message(
        name="settlement", title="a settlement", key={"type": "null"}, payload="settlement",
        headers="settlement-headers", marked_by=SETTLES, ours=True,
        about="A webhook's object that a command made, from the router to the executor. Others skip it.",
    )  # fmt: skip
    cancel = Message(
        name="cancel-request", title="a request to withdraw a command", payload=None, headers="cancel-request-headers",
        key={**ID_KEY, "description": "the command's key"}, marked_by=CANCELS, ours=True,
        about="Without a value: the run of a command was cancelled. Others skip it.",
    )  # fmt: skip
    return Channel(
        name="action-command", topic=topic, address=address_of(topic), title="commands",
        about="What to do at Stripe. Producers need acks=all and idempotence, and a key where the order matters.",
        messages=[command, settlement, cancel], writers=("other-teams", "router", "operator"), readers=("executor",),
        reply="action-result",
    )  # fmt: skip


def _results(topic: Topic) -> Channel:
    result = Message(
        name="action-result", title="a result", key=_ORDER_KEY, payload="result", headers="result-headers",
        about="How a command ended, under the command's key and partition number.",
        correlation="$message.payload#/command_id",
    )  # fmt: skip
    return Channel(
        name="action-result", topic=topic, address=address_of(topic), title="results",
        about="One result for each command when it ends, and another with a higher revision when that is corrected.",
        messages=[result], writers=("executor", "operator"), readers=("other-teams", "router", "operator"),
    )  # fmt: skip


def _retries(topic: Topic) -> Channel:
    waiting = Message(
        name="waiting-command", title="a command that waits", key=_ORDER_KEY, payload="command",
        headers="retry-headers", about="The command, unchanged, until it is due.",
    )  # fmt: skip
    return Channel(
        name="action-retry", topic=topic, address="{prefix}action-retry.{tier}", title="commands that wait",
        about="One topic for each retry tier. Only the executor writes and reads them.",
        messages=[waiting], writers=("executor",), readers=("executor",),
    )  # fmt: skip


def _dead_letters(topic: Topic) -> Channel:
    letter = Message(
        name="dead-letter", title="a dead letter", key={"type": ["string", "null"], "description": "the original key"},
        payload=None, headers="dead-letter-headers", content_type="application/octet-stream",
        about="The original bytes, unchanged, whatever they were.",
    )  # fmt: skip
    return Channel(
        name="action-dead-letter", topic=topic, address=address_of(topic), title="dead letters",
        about="What could not be read or done, with the reason. `stripeline dead-letters replay` puts it back to work.",
        messages=[letter], writers=("router", "executor"), readers=("operator",),
    )  # fmt: skip


def _runs(topic: Topic) -> Channel:
    run = Message(
        name="run", title="a run", key={**ID_KEY, "description": "the run's id"}, payload="run",
        about="State and history of one run; a record without a value forgets it.",
    )  # fmt: skip
    return Channel(
        name="run", topic=topic, address=address_of(topic), title="runs",
        about="The router's changelog, and everybody's history of runs.",
        messages=[run], writers=("router",), readers=("router", "operator"),
    )  # fmt: skip


def _ledger(topic: Topic) -> Channel:
    command = Message(
        name="ledger-command", title="a known command", payload="ledger-command",
        key={**ID_KEY, "pattern": "^command/", "description": "`command/` and the command's id"},
    )  # fmt: skip
    queue = Message(
        name="ledger-queue", title="a key that waits", payload="ledger-queue",
        key={**ID_KEY, "pattern": "^queue/", "description": "`queue/` and the key"},
    )  # fmt: skip
    spent = Message(
        name="ledger-spent", title="what counts against a limit", payload="ledger-spent",
        key={**ID_KEY, "pattern": "^spent/", "description": "`spent/` and the connection's name"},
    )  # fmt: skip
    return Channel(
        name="action-ledger", topic=topic, address=address_of(topic), title="the ledger",
        about="The executor's changelog; a record without a value forgets its key.",
        messages=[command, queue, spent], writers=("executor",), readers=("executor",),
    )  # fmt: skip


def _acts(topic: Topic) -> Channel:
    act = Message(
        name="run-act", title="an act on a run", key={**ID_KEY, "description": "the run's id"}, payload="run-act",
        headers="run-act-headers", about="A person cancels or retries a run; on the run's partition.",
    )  # fmt: skip
    carried = Message(
        name="run-act-carried", title="an act that carries a record", payload=None, marked_by=ACT,
        headers="run-act-headers",
        key={**ID_KEY, "description": "the run's id"},
        about="A person starts the run of an event, which is the value, or erases a run, whose remains are the value.",
    )  # fmt: skip
    return Channel(
        name="act", topic=topic, address=address_of(topic), title="acts on runs",
        about="What a person asks the router to do with a run; written with its record on the audit trail.",
        messages=[act, carried], writers=("operator",), readers=("router",),
    )  # fmt: skip


def _audit(topic: Topic) -> Channel:
    act = Message(
        name="audit", title="an act", key={"type": "null"}, payload="audit",
        about="Who did what, when, why, and to which records; written with the act's effect, or before it.",
    )  # fmt: skip
    return Channel(
        name="audit", topic=topic, address=address_of(topic), title="the audit trail",
        about="Every act of a person that changes what becomes of records, and which dead letters the executor closed.",
        messages=[act], writers=("operator", "executor"), readers=("operator",),
    )  # fmt: skip


def _workers(topic: Topic) -> Channel:
    report = Message(
        name="worker-report", title="how a process is", payload="worker-report",
        key={**ID_KEY, "description": "the process's name, which no other process has"},
        about="Written every 5 s by each process; a record without a value says that it has ended.",
    )  # fmt: skip
    return Channel(
        name="worker", topic=topic, address=address_of(topic), title="reports of the processes",
        about="How each process is: what `stripeline status` shows.", messages=[report],
        writers=("ingest", "router", "executor"), readers=("operator",),
    )  # fmt: skip


def _control_key(kind: str) -> dict[str, object]:
    if kind == INSTALLATION_KEY:
        return {**ID_KEY, "pattern": f"^{kind}$", "description": f"`{kind}`"}
    return {**ID_KEY, "pattern": f"^{kind}/", "description": f"`{kind}/` and its name"}


def _control(topic: Topic) -> Channel:
    messages = [
        Message(
            name=f"control-{kind}", title=f"the {kind}" if kind == INSTALLATION_KEY else f"a {kind}",
            payload=f"control-{kind}", key=_control_key(kind),
        )
        for kind in (*KINDS, *FACTS)
    ]  # fmt: skip
    return Channel(
        name="control", topic=topic, address=address_of(topic), title="definitions",
        about="What the operator defined, secrets sealed, or had skipped, and what executors met; no value deletes.",
        messages=messages, writers=("operator", "executor"), readers=("ingest", "router", "executor", "operator"),
    )  # fmt: skip
