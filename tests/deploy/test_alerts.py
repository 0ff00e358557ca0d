"""The alerts by Prometheus' own judge: they parse, each fires when it must, and none when it must not."""

from collections import defaultdict

import pytest
import yaml

from stripeline.deploy.telemetry.alerts_page import rules
from tests.support.prometheus import FILES, promtool

CASES = sorted(path.name for path in FILES.glob("*_test.yaml"))
ALERTS = [rule["alert"] for _, rule in rules((FILES / "alerts.yaml").read_text(encoding="utf-8"))]


def test_prometheus_takes_the_configuration_and_its_rules():
    checked = promtool("check", "config", "prometheus.yml")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert f"{len(ALERTS)} rules found" in checked.stdout


@pytest.mark.parametrize("file", CASES)
def test_each_alert_fires_when_it_must_and_only_then(file):
    tested = promtool("test", "rules", file)
    assert tested.returncode == 0, tested.stdout + tested.stderr


def test_each_alert_has_a_case_that_fires_and_one_that_does_not():
    fires: dict[str, set[bool]] = defaultdict(set)
    for file in CASES:
        for case in yaml.safe_load((FILES / file).read_text(encoding="utf-8"))["tests"]:
            name = case["name"].partition(":")[0].split()[0]
            [asked] = case["promql_expr_test"]
            firing, is_quiet = f'ALERTS{{alertname="{name}",alertstate="firing"}}', ":" in case["name"]
            # At no moment, and the name says why: one that looks at the end alone passes after the alarm is over.
            assert asked["expr"] == (f"max_over_time({firing}[2d])" if is_quiet else firing)
            assert bool(asked.get("exp_samples")) != is_quiet
            fires[name].add("exp_samples" in asked)
    assert fires == {name: {True, False} for name in ALERTS}
