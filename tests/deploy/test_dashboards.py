"""The dashboards, judged by Grafana's own model of them: what it does not keep is no field of a dashboard's."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from tests.support.product_sources import ROOT

FOLDER = ROOT / "deploy" / "grafana" / "dashboards"
FILES = sorted(FOLDER.glob("*.json"))


def not_kept(written: Any, read: Any, path: str = "") -> Iterator[str]:
    """The paths of what Grafana's model reads in another way, or not at all."""
    match written, read:
        case dict(), dict():
            for name, value in written.items():
                if name in read:
                    yield from not_kept(value, read[name], f"{path}.{name}")
                else:
                    yield f"{path}.{name}"
        case list(), list() if len(written) == len(read):
            for number, (one, other) in enumerate(zip(written, read, strict=True)):
                yield from not_kept(one, other, f"{path}[{number}]")
        case _ if written != read:
            yield path


def through_grafana(written: Any) -> Any:
    register_default_plugins()
    return json.loads(JSONEncoder().encode(Dashboard.from_json(written)))


def read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_grafana_reads_every_field(path: Path) -> None:
    written = read(path)
    assert list(not_kept(written, through_grafana(written))) == []


def test_a_field_that_grafana_does_not_have_is_found() -> None:
    written = read(FILES[0])
    written["panels"][1]["fieldConfig"]["defaults"]["unitt"] = "s"
    found = set(not_kept(written, through_grafana(written)))
    assert ".panels[1].fieldConfig.defaults.unitt" in found
