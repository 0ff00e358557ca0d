"""The contract of this installation: topics with what is wrong with them, records, actions, errors, and the files.

The same models, rules and files as `stripeline contracts export`, with the actions that are installed here.
"""

from functools import cache
from typing import Final

from stripeline.deploy.console.console_page import (
    NOT_FOUND,
    Answer,
    ConsolePage,
    NavigationItem,
    PageProblem,
    Question,
    Raw,
    View,
)
from stripeline.deploy.console.details import contract_tables as tables
from stripeline.deploy.console.details.schema_rows import published_rows
from stripeline.deploy.contract.channels import ROLES
from stripeline.deploy.contract.files import generated
from stripeline.deploy.contract.published_records import RELEASE, PublishedRecord, published
from stripeline.workers.actions import actions

JSON_TYPE: Final = "application/json"
SCHEMA_TYPE: Final = "application/schema+json"
ASYNCAPI_FILE: Final = "asyncapi.json"


@cache
def _records() -> dict[str, PublishedRecord]:
    """By the names that messages call them."""
    return {record.folder: record for record in published(frozenset(actions()))}


async def contract(question: Question) -> Answer:
    sources = question.sources
    rows = tables.topic_rows(sources.topics, sources.partitions)
    values = {
        "troubles": tables.topic_troubles(sources.faults(), sources.advice(), rows), "rows": rows, "roles": ROLES,
        "records": _records(), "actions": tables.action_tables(actions()), "errors": tables.error_rows(),
        "key_words": tables.key_words, "release": RELEASE, "prefix": sources.topics.prefix,
    }  # fmt: skip
    return View(template="contract.html", values=values)


async def contract_record(question: Question) -> Answer:
    record = _records().get(question.path["name"])
    if record is None:
        return _missing(question.path["name"])
    schema, topics = record.schema(), question.sources.topics
    values = {
        "record": record, "description": schema.get("description", ""), "rows": published_rows(schema),
        "topics": tables.carriers(record, tables.topic_rows(topics, question.sources.partitions)),
        "example": tables.example_of(record),
    }  # fmt: skip
    return View(template="contract_record.html", values=values)


async def contract_asyncapi(_: Question) -> Answer:
    return _file(ASYNCAPI_FILE, ASYNCAPI_FILE, JSON_TYPE)


async def contract_schema(question: Question) -> Answer:
    record = _records().get(question.path["name"])
    if record is None:
        return _missing(question.path["name"])
    return _file(f"schemas/{record.file_name}", record.file_name, SCHEMA_TYPE)


def _file(path: str, filename: str, content_type: str) -> Raw:
    text = generated(frozenset(actions()))[path]
    return Raw(body=text.encode(), content_type=content_type, filename=filename)


def _missing(name: str) -> PageProblem:
    return PageProblem(
        status=NOT_FOUND, title="There is no such record", words=f"No published record is named {name}.",
        back="/contract", back_to="Contract",
    )  # fmt: skip


PAGES = (
    ConsolePage(
        name="contract", path="/contract", show=contract,
        navigation=NavigationItem(label="Contract", place=10, key="t"),
    ),
    ConsolePage(name="contract_record", path="/contract/records/{name}", show=contract_record),
    ConsolePage(name="contract_asyncapi", path=f"/contract/{ASYNCAPI_FILE}", show=contract_asyncapi),
    ConsolePage(name="contract_schema", path="/contract/schemas/{name}.json", show=contract_schema),
)  # fmt: skip
