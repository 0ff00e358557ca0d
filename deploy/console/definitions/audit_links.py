"""Where an act of the audit trail leads to: the page of what it is about. Pure; what it names is text of others."""

from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote

from stripeline.contracts.internal_records import AuditRecord, OffsetRange
from stripeline.contracts.topics import Topics
from stripeline.deploy.console.addresses import run_address, search_address


@dataclass(frozen=True, slots=True)
class AuditLink:
    """text: what it is about. address: of its page, where it has one."""

    text: str
    address: str | None = None


def about_link(about: str | None) -> AuditLink | None:
    """Of `workflow thank`, `run evt_1:thank`, `command order-7`."""
    if not about:
        return None
    kind, _, name = about.partition(" ")
    match kind:
        case "connection" | "workflow" if name:
            return AuditLink(about, f"/{kind}s/{quote(name, safe='', errors='replace')}")
        case "trigger" if name:
            return AuditLink(about, f"/events?trigger={quote(name, safe='', errors='replace')}")
        case "run" if name:
            return AuditLink(about, run_address(name))
        case "command" | "event" if name:
            return AuditLink(about, search_address(name))
        case _:
            return AuditLink(about)


def main_link(record: AuditRecord, topics: Topics) -> AuditLink | None:
    """What an act is about, in one line; where it does not say so, the first of its records."""
    found = about_link(record.about)
    if found is not None or not record.records:
        return found
    first, rest = _range_link(record.records[0], topics), len(record.records) - 1
    return AuditLink(f"{first.text} and {rest} more", first.address) if rest else first


def record_links(record: AuditRecord, topics: Topics) -> Iterator[AuditLink]:
    """Of the records that it was done to: dead letters have a page each."""
    return (_range_link(one, topics) for one in record.records)


def _range_link(one: OffsetRange, topics: Topics) -> AuditLink:
    single = one.first == one.last
    offsets = f"offset {one.first}" if single else f"offsets {one.first} to {one.last}"
    text = f"{one.topic}, partition {one.partition}, {offsets}"
    if one.topic == topics.dead_letter:
        return AuditLink(text, f"/dead-letters/{one.partition}/{one.first}")
    return AuditLink(text)
