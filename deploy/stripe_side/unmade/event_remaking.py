"""Reads a notice of Stripe's, fetches it and its object with the connection's key, and publishes the event.

The event and its audit record are committed together. Nothing is retried: a person repeats the command, and a second
publication is the same run.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import quote

from pydantic import SecretStr

from stripeline.contracts import headers as h
from stripeline.contracts.deliveries.partitioner import partition_of
from stripeline.contracts.deliveries.trigger_output import TriggerRecord
from stripeline.contracts.topics import Topics
from stripeline.contracts.vocabulary import AuditedAct, CallKind
from stripeline.deploy.failure import FailureError
from stripeline.deploy.operations.acts.audit import Act, ActEffect, Signed, audit_record, commit_acts
from stripeline.deploy.operations.reading.topic_reader import Read, Wanted, newest, partitions_of
from stripeline.deploy.runtime.stripe_client import stripe_client
from stripeline.deploy.runtime.worker_setup import required_vault
from stripeline.deploy.settings.settings import Settings
from stripeline.deploy.stripe_side.unmade.remade_event import (
    UnmadeEvent,
    UnmadeNotice,
    doubts,
    read_notice,
    remade,
    trigger_of,
    unmade_event,
)
from stripeline.workers.executor.stripe_answer import Failed
from stripeline.workers.kafka.control_table import read_all
from stripeline.workers.secrets.vault import connection_secret
from stripeline.workers.stripe.api import StripeApi
from stripeline.workers.thin.fetched_event import body_of, judged


class RemakeWanted(NamedTuple):
    """event_type: for a notice that does not say it. trigger: where several take such events."""

    notice_id: str
    event_type: str | None = None
    trigger: str | None = None


class RemadeEvent(NamedTuple):
    """An event that can be published, as it is shown, and what a person should look at first."""

    record: TriggerRecord
    view: Mapping[str, Any]
    doubts: tuple[str, ...]


async def remade_event(settings: Settings, client: Mapping[str, Any], wanted: RemakeWanted, now_ms: int) -> RemadeEvent:
    """Raises FailureError, VaultError, ControlError, KafkaError, TimeoutError."""
    read = await _notice(settings.topics, client, wanted.notice_id)
    definitions = await read_all(settings.topics.control, client)
    notice = read_notice(read, definitions)
    sealed = definitions.connections[notice.connection].secret_key
    key = required_vault(settings).open(connection_secret(notice.connection), sealed)
    async with stripe_client(settings) as stripe:
        unmade, found = await fetched(stripe, key, notice, wanted.event_type)
    trigger = trigger_of(definitions, notice, unmade.family, wanted.trigger)
    record = remade(notice, unmade, found, trigger, now_ms)
    return RemadeEvent(record, _view(notice, unmade, trigger, record), doubts(unmade, found))


async def fetched(
    stripe: StripeApi, key: SecretStr, notice: UnmadeNotice, event_type: str | None
) -> tuple[UnmadeEvent, Mapping[str, Any]]:
    """The event that Stripe failed to make, and its object. Raises FailureError."""
    path = f"/v2/core/events/{quote(notice.id, safe='')}"
    unmade = unmade_event(notice, await _read(stripe, path, key, notice, "the notice"), event_type)
    return unmade, await _read(stripe, unmade.path, key, notice, f"{unmade.object_type} {unmade.object_id}")


async def publish_remade(topics: Topics, client: Mapping[str, Any], event: RemadeEvent, signed: Signed) -> None:
    """Returns when the brokers have it, with its audit record. Raises FailureError, KafkaError, TimeoutError."""
    record, topic = event.record, topics.event(event.record.topic)
    partition = partition_of(record.key, len(await partitions_of(topic, client)))
    effect = ActEffect(
        topic=topic, partition=partition, key=record.key, value=record.value, headers=record.headers
    )  # fmt: skip
    about = "event {event} ({type} of {object}) of trigger {trigger}".format_map(event.view)
    audit = audit_record(AuditedAct.REMAKE, signed, about=about)
    await commit_acts(topics, client, [Act(audit=audit, partition=partition, effects=(effect,))], rate_per_s=1)


async def _notice(topics: Topics, client: Mapping[str, Any], notice_id: str) -> Read:
    wanted = Wanted(keep=lambda read: h.text(read.headers, "ce_id") == notice_id, limit=1)
    page = await newest(topics.health_event, client, wanted)
    if not page.records:
        raise FailureError(
            f"There is no notice {notice_id!r} on {topics.health_event}, which keeps them for 30 days."
            " `stripeline events unmade --json` lists them."
        )
    return page.records[0]


async def _read(stripe: StripeApi, path: str, key: SecretStr, notice: UnmadeNotice, what: str) -> Mapping[str, Any]:
    answer = await stripe.read(path, key, notice.account, CallKind.FETCH)
    outcome = judged(answer)
    if isinstance(outcome, Failed):
        raise FailureError(f"Nothing was published: Stripe did not give {what}: {outcome.error['message']}")
    return body_of(answer)


def _view(notice: UnmadeNotice, unmade: UnmadeEvent, trigger: str, record: TriggerRecord) -> Mapping[str, Any]:
    return {
        "event": notice.id,
        "type": unmade.type,
        "object": unmade.object_id,
        "key": record.key.decode(),
        "trigger": trigger,
        "connection": notice.connection,
        "account": notice.account,
        "livemode": notice.livemode,
        "created_at": h.rfc3339(notice.created_s * 1000),
        "topic": record.topic,
    }
