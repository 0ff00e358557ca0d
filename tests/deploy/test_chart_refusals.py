"""Values that would not work are refused before anything is installed, with what to set instead."""

import shutil

import helm_python
import pytest

from tests.support.chart import CHART, MINIMAL, render, with_values
from tests.support.chart_values import PIECES

BY_THE_SCHEMA = {
    "an unknown value": ({"replicas": 3}, "replicas"),
    "an unknown setting": ({"config": {"STRIPELINE_LOG_LEVL": "info"}}, "STRIPELINE_LOG_LEVL"),
    "a secret as a value": ({"config": {"STRIPELINE_MASTER_KEY": "a2V5"}}, "STRIPELINE_MASTER_KEY"),
    "a secret's text": ({"secrets": {"STRIPELINE_MASTER_KEY": "a2V5"}}, "object"),
    "a secret as an extra variable": (
        {"ingest": {"extraEnv": [{"name": "STRIPELINE_MASTER_KEY", "value": "a2V5"}]}},
        "extraEnv",
    ),
    "what the chart sets": ({"config": {"STRIPELINE_INSTANCE_ID": "a"}}, "STRIPELINE_INSTANCE_ID"),
    "a port of its own": ({"config": {"STRIPELINE_ADMIN_PORT": 9000}}, "STRIPELINE_ADMIN_PORT"),
    "partitions of one role": ({"router": {"config": {"STRIPELINE_PARTITIONS": 4}}}, "STRIPELINE_PARTITIONS"),
    "a secret for who does not read it": ({"router": {"secrets": {"STRIPELINE_MASTER_KEY": {}}}}, "MASTER_KEY"),
    "no replica": ({"executor": {"replicas": 0}}, "executor/replicas"),
    "scaled to nothing": ({"executor": {"autoscaling": {"minReplicas": 0}}}, "minReplicas"),
    "scaled down at once": ({"executor": {"autoscaling": {"scaleDownAfterSeconds": 60}}}, "scaleDownAfterSeconds"),
    "killed before it has ended": ({"terminationGracePeriodSeconds": 30}, "terminationGracePeriodSeconds"),
    "an ingress without a host": ({"ingest": {"ingress": {"enabled": True}}}, "host"),
    "a file from two places": (
        {"files": {"STRIPELINE_KAFKA_CA_FILE": {"secret": "a", "configMap": "b", "key": "c"}}},
        "files/STRIPELINE_KAFKA_CA_FILE",
    ),
}  # fmt: skip
BY_A_CHECK = {
    "no Kafka": ({"config": {"KAFKA_BOOTSTRAP_SERVERS": ""}}, "Set config.KAFKA_BOOTSTRAP_SERVERS"),
    "no master key": ({"existingSecret": ""}, "kubectl create secret generic stripeline"),
    "master key taken away": ({"secrets": {"STRIPELINE_MASTER_KEY": None}}, "needs secrets.STRIPELINE_MASTER_KEY"),
    "more routers than partitions": ({"router": {"replicas": 9}}, "router.replicas is 9, but there are 8 partitions"),
    "more executors than partitions": (
        {"config": {"STRIPELINE_PARTITIONS": 4}, "executor": {"replicas": 5}},
        "executor.replicas is 5, but there are 4 partitions",
    ),
    "scaled above the partitions": (
        {"prometheusAddress": "http://p:9090", "router": {"autoscaling": {"enabled": True, "maxReplicas": 9}}},
        "router.autoscaling.maxReplicas is 9",
    ),
    "scaling without Prometheus": ({"router": {"autoscaling": {"enabled": True}}}, "needs prometheusAddress"),
    "least above most": (
        {"prometheusAddress": "http://p:9090", "router": {"autoscaling": {"enabled": True, "minReplicas": 5}}},
        "minReplicas is above maxReplicas",
    ),
    "no way to sign in": ({"console": {"config": {"STRIPELINE_CONSOLE_AUTH": None}}}, "how people sign in"),
    "any proxy": ({"console": {"config": {"STRIPELINE_CONSOLE_AUTH": "proxy"}}}, "STRIPELINE_CONSOLE_TRUSTED_PROXIES"),
    "two consoles on one file": ({"console": {"replicas": 2, "persistence": {"enabled": True}}}, "has one replica"),
    "a volume and a database": (
        {"console": {"persistence": {"enabled": True}, "secrets": {"STRIPELINE_CONSOLE_STORE": {}}}},
        "not in both",
    ),
}
KEPT = 'lookup "v1" "ConfigMap" .Release.Namespace $name'


@pytest.mark.parametrize(("values", "words"), BY_THE_SCHEMA.values(), ids=BY_THE_SCHEMA)
def test_the_schema_refuses(values, words):
    with pytest.raises(helm_python.HelmError) as refused:
        render(with_values(values))
    assert "schema" in str(refused.value)
    assert words in str(refused.value)


@pytest.mark.parametrize(("values", "words"), BY_A_CHECK.values(), ids=BY_A_CHECK)
def test_a_check_refuses_and_says_what_to_set(values, words):
    with pytest.raises(helm_python.HelmError) as refused:
        render(with_values(values))
    assert words in str(refused.value)


def test_a_console_with_tokens_needs_their_file():
    with pytest.raises(helm_python.HelmError, match="stripeline console-token"):
        render({name: value for name, value in MINIMAL.items() if name != "console"})


def test_what_is_not_installed_needs_nothing():
    assert render({"config": MINIMAL["config"], **PIECES["ingest alone"], "existingSecret": "stripeline"})


@pytest.mark.parametrize(
    ("kept", "refused"),
    [
        ('"partitions" "8" "prefix" "stripe."', None),
        ('"partitions" "12" "prefix" "stripe."', "config.STRIPELINE_PARTITIONS is"),
        ('"partitions" "8" "prefix" "old."', "config.STRIPELINE_TOPIC_PREFIX is"),
    ],
)
def test_an_upgrade_keeps_partitions_and_prefix(kept, refused, tmp_path):
    """What the cluster has stands in the template: the SDK renders without one. `make kubernetes` asks a real one."""
    shutil.copytree(CHART, tmp_path / "chart")
    checks = tmp_path / "chart" / "templates" / "_checks.tpl"
    text = checks.read_text(encoding="utf-8")
    assert text.count(KEPT) == 1
    checks.write_text(text.replace(KEPT, f'dict "data" (dict {kept})'), encoding="utf-8")
    if refused is None:
        assert render(MINIMAL, chart=tmp_path / "chart")
        return
    with pytest.raises(helm_python.HelmError, match=refused):
        render(MINIMAL, chart=tmp_path / "chart")
