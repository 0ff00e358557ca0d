"""The contract's pages: every topic, record and action, what is sensitive, the files as they are published."""

import json
import re
from collections.abc import AsyncIterator
from html import unescape
from pathlib import Path

import pytest

from stripeline.contracts.operator.operator_vocabulary import TopicProblemKind
from stripeline.contracts.topics import Topics
from stripeline.deploy.console.auth.identity import ConsoleRole
from stripeline.deploy.console.overview.finding_links import LINKS
from stripeline.deploy.contract.files import generated
from stripeline.deploy.contract.published_records import PublishedRecord, published
from stripeline.deploy.operations.status.finding import FindingKind
from stripeline.deploy.operations.topic_problems import TopicProblem
from stripeline.workers.actions import actions
from tests.support.console_pages import ConsolePages, console_pages
from tests.support.console_sample import HOSTILE
from tests.support.html_pages import Page

RECORDS = published(frozenset(actions()))
ABOUT = {FindingKind.PAUSED: "connection/acme", FindingKind.RETENTION: "workflow/thank-big-spenders"}
"""What a finding is about, where it is not a connection, a reason or a code."""


@pytest.fixture
async def console(tmp_path: Path) -> AsyncIterator[ConsolePages]:
    async with console_pages(tmp_path) as pages:
        yield pages


def problem(topic: str, *, stops: bool, fault: str = "does not exist") -> TopicProblem:
    return TopicProblem(topic=topic, kind=TopicProblemKind.MISSING, fault=fault, remedy="create it", stops=stops)


async def test_each_topic_record_and_action_is_there(console: ConsolePages) -> None:
    console.become(ConsoleRole.VIEWER)
    text = await console.get("/contract")
    page = Page(text)
    ids = {given["id"] for _, given in page.tags if "id" in given}
    assert {topic.name for topic in Topics().all(4)} <= ids
    assert {f"/contract/records/{one.folder}" for one in RECORDS} <= set(page.links)
    for key, action in actions().items():
        assert f"<code>{key}</code>" in text
        assert all(f"<code>{name}</code>" in text for name in (*action.input.model_fields, *action.output.model_fields))
    assert "No topic has a problem." in text


async def test_topics_have_the_prefix_of_the_installation(tmp_path: Path) -> None:
    async with console_pages(tmp_path, topics=Topics(prefix="eu.pay.")) as console:
        text = await console.get("/contract")
    assert 'id="eu.pay.action-command"' in text
    assert 'id="stripe.' not in text


@pytest.mark.parametrize("record", RECORDS, ids=lambda one: one.folder)
async def test_a_record_shows_its_fields_and_what_is_masked(console: ConsolePages, record: PublishedRecord) -> None:
    console.become(ConsoleRole.VIEWER)
    text = await console.get(f"/contract/records/{record.folder}")
    schema = record.schema()
    assert all(f"<code>{name}</code>" in text for name in schema["properties"])
    assert ("sensitive</span>" in text) == ('"x-sensitive": true' in json.dumps(schema))
    assert "<h2>Example" in text
    assert not re.search(r"sealed:\w|_secret_[A-Za-z0-9]", text)


async def test_a_sensitive_field_is_marked_where_it_stands(console: ConsolePages) -> None:
    text = await console.get("/contract/records/control-connection")
    assert re.findall(r"<code>(\w+)</code> <span class=\"badge warn\">sensitive", text) == ["secret_key"]


@pytest.mark.parametrize("path", ["records/nothing", "schemas/nothing.json", "schemas/..%2Fasyncapi.json"])
async def test_an_unknown_record_is_404_with_a_way_back(console: ConsolePages, path: str) -> None:
    assert 'href="/contract"' in await console.get(f"/contract/{path}", status=404)


async def test_the_files_are_the_published_ones(console: ConsolePages) -> None:
    console.become(ConsoleRole.VIEWER)
    files = generated(frozenset(actions()))
    wanted = {"/contract/asyncapi.json": ("asyncapi.json", "application/json")}
    for one in RECORDS:
        wanted[f"/contract/schemas/{one.folder}.json"] = (f"schemas/{one.file_name}", "application/schema+json")
    for address, (path, content_type) in wanted.items():
        async with console.client.get(address) as answer:
            assert (answer.status, await answer.text()) == (200, files[path])
            assert answer.content_type == content_type
            assert answer.headers["Content-Disposition"] == f'attachment; filename="{path.rpartition("/")[2]}"'
            assert answer.headers["X-Content-Type-Options"] == "nosniff"


async def test_topics_with_problems_come_first(tmp_path: Path) -> None:
    faults = [problem("stripe.run", stops=False, fault=HOSTILE), problem("stripe.command-x", stops=True)]
    advice = [problem("stripe.audit", stops=False, fault="has one replica")]
    async with console_pages(tmp_path, faults=lambda: faults, advice=lambda: advice) as console:
        text = await console.get("/contract")
    said = [unescape(one) for one in re.findall(r"<span>(stripe\..*?)</span>", text)]
    assert said == [one.sentence for one in (faults[1], faults[0], advice[0])]
    assert text.index("has one replica") < text.index("<table")
    assert "No topic has a problem" not in text
    assert 'href="#stripe.run"' in text
    assert 'href="#stripe.command-x"' not in text


@pytest.mark.parametrize("kind", FindingKind)
async def test_each_next_click_of_a_finding_is_a_page(console: ConsolePages, kind: FindingKind) -> None:
    await console.get(LINKS[kind](ABOUT.get(kind, "acme")).address)
