"""The AsyncAPI document, judged by AsyncAPI's own parser."""

import copy
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.judges.conftest import Judge

DOCUMENT = Path(__file__).parents[2] / "contracts" / "asyncapi.json"
ERROR, WARNING = 0, 1
PUBLISHED = json.loads(DOCUMENT.read_text(encoding="utf-8"))


def problems(said: Mapping[str, Any], worst: int) -> list[str]:
    return [f"{one['code']}: {one['message']}" for one in said["diagnostics"] if one["severity"] <= worst]


def test_the_published_document_has_neither_errors_nor_warnings(asyncapi_parser: Judge):
    said = asyncapi_parser(DOCUMENT)
    assert problems(said, WARNING) == []
    assert said["version"] == PUBLISHED["asyncapi"]
    assert set(said["channels"]) == set(PUBLISHED["channels"])
    assert set(said["operations"]) == set(PUBLISHED["operations"])
    names = {message["name"] for message in PUBLISHED["components"]["messages"].values()}
    assert set(said["messages"]) == names


def _no_title(document: Any) -> None:
    del document["info"]["title"]


def _unknown_channel(document: Any) -> None:
    document["operations"]["other-teams.receive.payment-event"]["channel"]["$ref"] = "#/channels/nowhere"


def _lost_schema(document: Any) -> None:
    del document["components"]["schemas"]["PaymentEvent"]


def _a_verb_of_its_own(document: Any) -> None:
    document["operations"]["other-teams.send.action-command"]["action"] = "shout"


def _no_schema(document: Any) -> None:
    document["components"]["schemas"]["Command"]["type"] = "objekt"


BREAKS = (_no_title, _unknown_channel, _lost_schema, _a_verb_of_its_own, _no_schema)


@pytest.mark.parametrize("break_it", BREAKS, ids=lambda one: one.__name__.lstrip("_"))
def test_a_broken_document_is_refused(asyncapi_parser: Judge, tmp_path: Path, break_it: Callable[[Any], None]):
    document = copy.deepcopy(PUBLISHED)
    break_it(document)
    file = tmp_path / "asyncapi.json"
    file.write_text(json.dumps(document), encoding="utf-8")
    assert problems(asyncapi_parser(file), ERROR) != []
