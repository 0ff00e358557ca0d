"""The pages of the contract."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from stripeline.contracts.topics import Topics
from stripeline.deploy.console.auth.identity import ConsoleRole
from stripeline.deploy.console.details.schema_table import schema_fields
from stripeline.deploy.contract.files import generated
from stripeline.deploy.contract.published_records import published
from tests.support.console_pages import ConsolePages, console_pages


@pytest.fixture
async def console(tmp_path: Path) -> AsyncIterator[ConsolePages]:
    async with console_pages(tmp_path) as pages:
        pages.become(ConsoleRole.VIEWER)
        yield pages


async def test_every_topic_and_record_is_on_the_page(console: ConsolePages) -> None:
    text = await console.get("/contract")
    assert [topic.name for topic in Topics().all(4) if f">{topic.name}<" not in text] == []
    assert [one.name for one in published() if f'"/contract/records/{one.name}"' not in text] == []


@pytest.mark.parametrize("record", [one.name for one in published()])
async def test_each_record_has_a_page_with_an_example(console: ConsolePages, record: str) -> None:
    assert "<h2>Example</h2>" in await console.get(f"/contract/records/{record}")


async def test_a_sensitive_field_is_marked(console: ConsolePages) -> None:
    text = await console.get("/contract/records/result")
    assert 'output.client_secret <span class="badge warn">sensitive</span>' in text


@pytest.mark.parametrize("path", ["asyncapi.json", "schemas/command.v1.schema.json"])
async def test_a_file_is_the_generated_one(console: ConsolePages, path: str) -> None:
    assert await console.get(f"/contract/{path}") == generated()[path]


@pytest.mark.parametrize("path", ["records/no-such", "schemas/no-such.v1.schema.json", "schemas/..%2Frun.json"])
async def test_an_unknown_name_leads_back(console: ConsolePages, path: str) -> None:
    assert "There is no such" in await console.get(f"/contract/{path}", status=404)


def test_a_reference_and_its_variants_become_rows() -> None:
    schema = {
        "required": ["run"],
        "properties": {
            "run": {"$ref": "#/$defs/Run", "description": "the run"},
            "tags": {"type": "array", "items": {"$ref": "#/$defs/Tag"}},
        },
        "$defs": {
            "Run": {"type": ["object", "null"], "properties": {"id": {"type": "string", "x-sensitive": True}}},
            "Tag": {"type": "object", "properties": {"kind": {"enum": ["a", "b"]}}},
        },
    }  # fmt: skip
    found = {one.path: one for one in schema_fields(schema)}
    assert list(found) == ["run", "run.id", "tags", "tags[].kind"]
    assert (found["run"].types, found["run"].required, found["run"].meaning) == ("object | null", True, "the run")
    assert found["run.id"].sensitive
    assert found["tags[].kind"].values == "a, b"


def test_a_schema_that_refers_to_itself_ends() -> None:
    schema = {"properties": {"a": {"$ref": "#/$defs/A"}}, "$defs": {"A": {"properties": {"a": {"$ref": "#/$defs/A"}}}}}
    assert [one.path.count("a") for one in schema_fields(schema)] == [1, 2, 3, 4, 5, 6]
