"""The Helm chart, rendered by Helm's own SDK, as the manifests that the API server would get."""

import copy
import functools
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import helm_python
import yaml

from tests.support.product_sources import ROOT

CHART = ROOT / "deploy" / "kubernetes" / "chart"
Manifest = dict[str, Any]
Values = Mapping[str, Any]

MINIMAL: Values = {
    "config": {"KAFKA_BOOTSTRAP_SERVERS": "kafka:9092"},
    "existingSecret": "stripeline",
    "console": {"files": {"STRIPELINE_CONSOLE_TOKENS_FILE": {"secret": "console-tokens", "key": "tokens"}}},
}
"""What an installation can't do without."""


def with_values(*more: Values, base: Values = MINIMAL) -> dict[str, Any]:
    """Values over others, as several `--values` are."""
    merged = copy.deepcopy(dict(base))
    for values in more:
        _merge(merged, values)
    return merged


def _merge(into: dict[str, Any], values: Values) -> None:
    for key, value in values.items():
        if isinstance(value, Mapping) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = copy.deepcopy(value)


def render(values: Values, *, chart: Path = CHART) -> list[Manifest]:
    """All manifests, hooks included. Raises HelmError where Helm refuses the values."""
    return [dict(one) for one in json.loads(_rendered(json.dumps(values), chart))]


def notes(values: Values) -> str:
    with helm_python.Chart.load(CHART) as loaded:
        return loaded.render(dict(values), name="acme", namespace="prod")["stripeline/templates/NOTES.txt"]


@functools.cache
def _rendered(values: str, chart: Path) -> str:
    with helm_python.Chart.load(chart) as loaded:
        files = loaded.render(json.loads(values), name="acme", namespace="prod")
    found = [one for path, text in files.items() if path.endswith(".yaml") for one in yaml.safe_load_all(text) if one]
    return json.dumps(found)


def of_kind(manifests: list[Manifest], kind: str, name: str | None = None) -> list[Manifest]:
    found = [one for one in manifests if one["kind"] == kind]
    return [one for one in found if name is None or one["metadata"]["name"] == f"acme-stripeline-{name}"]


def pod_specs(manifests: list[Manifest]) -> Iterator[tuple[str, Manifest]]:
    """The specs of all pods, by kind and name of what makes them."""
    for one in manifests:
        name = f"{one['kind']}/{one['metadata']['name']}"
        match one:
            case {"kind": "Pod", "spec": spec} | {"spec": {"template": {"spec": spec}}}:
                yield name, spec
            case _:
                pass


def containers(manifests: list[Manifest]) -> Iterator[tuple[str, Manifest]]:
    for name, spec in pod_specs(manifests):
        for container in (*spec.get("initContainers", []), *spec["containers"]):
            yield f"{name}/{container['name']}", container


def environment(manifests: list[Manifest], role: str) -> dict[str, Any]:
    """The variables of a role's container: values, or where they come from."""
    [found] = [one for name, one in containers(manifests) if name.endswith(f"-{role}/{role}")]
    return {one["name"]: one.get("value", one.get("valueFrom")) for one in found["env"]}
