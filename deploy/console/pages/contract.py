"""Contract: what other teams may rely on: the topics, each record with its fields, and the files to download."""

from functools import cache

import orjson

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
from stripeline.deploy.console.details.payloads import pretty
from stripeline.deploy.console.details.schema_table import schema_fields
from stripeline.deploy.contract.channels import channel_by_topic
from stripeline.deploy.contract.files import generated
from stripeline.deploy.contract.published_records import published
from stripeline.workers.actions import actions

_SCHEMA = "schemas/{name}.v{version}.schema.json"


@cache
def _files() -> dict[str, str]:
    """By path: the same bytes as `stripeline contracts export` writes."""
    return dict(generated(frozenset(actions())))


@cache
def _schemas() -> dict[str, str]:
    """The path of each record's schema, by the record's name."""
    return {
        record.name: _SCHEMA.format(name=record.name, version=record.version)
        for record in published(frozenset(actions()))
    }


async def contract(question: Question) -> Answer:
    sources = question.sources
    here = channel_by_topic(sources.topics)
    rows = [(topic, here[topic.name]) for topic in sources.topics.all(sources.partitions) if topic.name in here]
    problems = [*sources.faults(), *sources.advice()]
    return View(
        template="contract.html",
        values={"rows": rows, "problems": problems, "records": sorted(_schemas()), "actions": actions()},
    )


async def contract_record(question: Question) -> Answer:
    name = question.path["record"]
    if name not in _schemas():
        return _unknown(name)
    schema = orjson.loads(_files()[_schemas()[name]])
    record = next(one for one in published(frozenset(actions())) if one.name == name)
    example = next(iter(record.examples.items()), None)
    text = None if example is None else pretty(example[1])
    return View(
        template="contract_record.html",
        values={
            "name": name, "meaning": schema.get("description"), "fields": schema_fields(schema),
            "example": text, "file": f"/contract/{_schemas()[name]}",
        },
    )  # fmt: skip


async def contract_file(question: Question) -> Answer:
    path = question.path["file"]
    if path != "asyncapi.json" and path not in _schemas().values():
        return _unknown(path)
    return Raw(body=_files()[path].encode(), content_type="application/json", filename=path.rpartition("/")[2])


def _unknown(name: str) -> PageProblem:
    return PageProblem(
        status=NOT_FOUND, title="There is no such record", words=f"The contract has no {name}.",
        back="/contract", back_to="Contract",
    )  # fmt: skip


PAGES = (
    ConsolePage(
        name="contract", path="/contract", show=contract,
        navigation=NavigationItem(label="Contract", place=10, key="t"),
    ),
    ConsolePage(name="contract-record", path="/contract/records/{record}", show=contract_record),
    ConsolePage(name="contract-file", path="/contract/{file:asyncapi\\.json|schemas/[^/]+}", show=contract_file),
)  # fmt: skip
