"""The chart is what Helm, Kubernetes and the operators take: each manifest is held against its owner's schema."""

import json
from pathlib import Path

import helm_python
import jsonschema_rs
import kubernetes_validate
import pytest

from tests.support.chart import CHART, Manifest, render
from tests.support.chart_values import EVERY

VERSIONS = ("1.30", "1.35")  # the oldest that Chart.yaml allows, and one of this year
SCHEMAS = (Path(__file__).parent / "schemas").glob("*.json")
JUDGES = {path.stem: jsonschema_rs.validator_for(json.loads(path.read_text(encoding="utf-8"))) for path in SCHEMAS}


def is_custom(manifest: Manifest) -> bool:
    return manifest["kind"] in JUDGES


@pytest.mark.parametrize("values", EVERY.values(), ids=EVERY)
def test_helm_lint_finds_nothing(values):
    found = helm_python.lint(CHART, values, strict=True, kube_version="v1.35.0")
    assert found["errors"] == []
    assert [one["error"] for one in found["messages"]] == ["icon is recommended"]


@pytest.fixture(scope="module")
def manifests() -> list[Manifest]:
    """Every manifest of all these values, each once."""
    found = {json.dumps(manifest, sort_keys=True) for values in EVERY.values() for manifest in render(values)}
    return [json.loads(one) for one in sorted(found)]


@pytest.mark.parametrize("version", VERSIONS)
def test_every_manifest_is_what_kubernetes_takes(manifests, version):
    for manifest in manifests:
        if not is_custom(manifest):
            kubernetes_validate.validate(manifest, version, strict=True)


def test_every_custom_resource_is_what_its_operator_takes(manifests):
    custom = [manifest for manifest in manifests if is_custom(manifest)]
    for manifest in custom:
        JUDGES[manifest["kind"]].validate(manifest)
    assert {manifest["kind"] for manifest in custom} == {"PrometheusRule", "ScaledObject", "ServiceMonitor"}


def test_all_kinds_of_manifest_were_rendered():
    kinds = {manifest["kind"] for values in EVERY.values() for manifest in render(values)}
    assert kinds == {
        "ConfigMap", "Deployment", "HorizontalPodAutoscaler", "Ingress", "Job", "NetworkPolicy",
        "PersistentVolumeClaim", "Pod", "PodDisruptionBudget", "PrometheusRule", "ScaledObject", "Service",
        "ServiceAccount", "ServiceMonitor", "StatefulSet",
    }  # fmt: skip


def test_no_two_manifests_have_one_name():
    for values in EVERY.values():
        names = [(one["kind"], one["metadata"]["name"]) for one in render(values)]
        assert sorted(set(names)) == sorted(names)


WRONG = [
    {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a"}, "spec": {"replicaz": 1}},
    {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a"}, "spec": {"ports": [{"port": "a"}]}},
]


@pytest.mark.parametrize("manifest", WRONG, ids=["field", "type"])
def test_the_judge_of_kubernetes_refuses_a_wrong_manifest(manifest):
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(manifest, VERSIONS[0], strict=True)


@pytest.mark.parametrize("kind", ["ScaledObject", "ServiceMonitor", "PrometheusRule"])
def test_the_judges_of_operators_refuse_an_unknown_field(kind):
    [manifest, *_] = [one for one in render(EVERY["all"]) if one["kind"] == kind]
    with pytest.raises(jsonschema_rs.ValidationError):
        JUDGES[kind].validate(manifest | {"spec": manifest["spec"] | {"speck": 1}})
