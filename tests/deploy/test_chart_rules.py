"""What must hold in every rendering of the chart: who gets which secret, how pods end, how roles are scaled."""

import json
import re

import pytest
import yaml

from stripeline.deploy.cli.processes import COMMANDS
from stripeline.deploy.kubernetes.chart_settings import place_of, readers, value_schema, variables
from stripeline.deploy.settings.secret_files import file_variable
from stripeline.deploy.settings.settings import Settings, variable
from stripeline.deploy.telemetry.metrics.table import ROWS
from tests.support.chart import MINIMAL, containers, environment, notes, of_kind, pod_specs, render, with_values
from tests.support.chart_values import EVERY, PIECES, PRODUCTION
from tests.support.product_sources import ROOT

KNOWN = {variable(field) for field in Settings.model_fields} | {file_variable(name) for name in variables("secrets")}
ALL = [pytest.param(render(values), id=name) for name, values in EVERY.items()]
every_rendering = pytest.mark.parametrize("manifests", ALL)
SCALED = PIECES["autoscaling"]


@every_rendering
def test_pods_run_without_rights(manifests):
    for name, spec in pod_specs(manifests):
        user = spec["securityContext"]
        assert (user["runAsUser"], user["runAsGroup"], user["runAsNonRoot"]) == (65532, 65532, True), name
        assert user["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert spec["automountServiceAccountToken"] is False, name
    for name, container in containers(manifests):
        limits = container["securityContext"]
        assert limits["capabilities"] == {"drop": ["ALL"]}, name
        assert (limits["readOnlyRootFilesystem"], limits["allowPrivilegeEscalation"]) == (True, False), name
        assert container["resources"]["limits"]["memory"], name


@every_rendering
def test_each_variable_is_a_setting(manifests):
    for name, container in containers(manifests):
        ours = [one["name"] for one in container["env"] if one["name"] != "HTTPS_PROXY"]
        assert sorted(set(ours)) == sorted(ours), name
        assert set(ours) <= KNOWN, name


@every_rendering
def test_no_manifest_holds_a_secret(manifests):
    assert [one for one in manifests if one["kind"] == "Secret"] == []
    for name, container in containers(manifests):
        values = {one["name"]: one.get("value", "") for one in container["env"]}
        for secret in variables("secrets"):
            allowed = {"", "/var/lib/stripeline/console.db"} if secret == "STRIPELINE_CONSOLE_STORE" else {""}
            assert values.get(secret, "") in allowed, name
            assert re.fullmatch(r"(/etc/stripeline/[\w./-]+)?", values.get(f"{secret}_FILE", "")), name


@every_rendering
def test_a_secret_is_mounted_for_its_readers_only(manifests):
    for name, container in containers(manifests):
        role = name.split("/")[-1]
        for secret in variables("secrets"):
            if any(one["name"] == f"{secret}_FILE" for one in container["env"]):
                assert role in (*readers(secret), "topics-check", "status"), name
        keys = [one["mountPath"] for one in container.get("volumeMounts", ()) if "master-key" in one["mountPath"]]
        assert len(keys) == (1 if role in {"ingest", "executor"} else 0), name


@every_rendering
def test_a_file_is_mounted_as_a_folder_that_is_followed(manifests):
    for name, spec in pod_specs(manifests):
        for container in (*spec.get("initContainers", ()), *spec["containers"]):
            mounts = {one["mountPath"]: one for one in container.get("volumeMounts", ())}
            assert not any("subPath" in one for one in mounts.values()), name
            volumes = {one["name"]: one for one in spec.get("volumes", ())}
            for variable_of in container["env"]:
                if variable_of.get("value", "").startswith("/etc/stripeline/"):
                    folder, key = variable_of["value"].rsplit("/", 1)
                    source = volumes[mounts[folder]["name"]]
                    kept = source.get("secret") or source["configMap"]
                    assert [one["path"] for one in kept["items"]] == [key], name
                    assert kept["defaultMode"] == 0o440, name


@every_rendering
def test_probes_ask_what_they_must(manifests):
    served = [one for one in containers(manifests) if one[1]["args"][0] in {command.name for command in COMMANDS}]
    assert served
    for name, container in served:
        ports = {probe: container[f"{probe}Probe"]["httpGet"] for probe in ("startup", "liveness", "readiness")}
        # Never readiness: a process that waits for Kafka, or restores its state, must not be restarted.
        assert {probe: one["path"] for probe, one in ports.items()} == {
            "startup": "/healthz", "liveness": "/healthz", "readiness": "/readyz",
        }, name  # fmt: skip
        startup = container["startupProbe"]
        assert startup["periodSeconds"] * startup["failureThreshold"] >= 300, name
        assert {"name": "admin", "containerPort": 9464} in container["ports"], name


@every_rendering
def test_a_pod_has_more_time_to_end_than_a_process(manifests):
    for kind in ("Deployment", "StatefulSet"):
        for one in of_kind(manifests, kind):
            spec = one["spec"]["template"]["spec"]
            stop = spec["containers"][0].get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
            assert spec["terminationGracePeriodSeconds"] - stop >= 35
            assert (stop > 0) == one["metadata"]["name"].endswith("-ingest")


@every_rendering
def test_an_automatically_scaled_role_has_no_static_id(manifests):
    scaled = {one["spec"]["scaleTargetRef"]["name"] for one in of_kind(manifests, "ScaledObject")}
    for one in of_kind(manifests, "StatefulSet"):
        name = one["metadata"]["name"]
        variables_of = environment(manifests, name.rsplit("-", 1)[-1])
        static = variables_of.get("STRIPELINE_INSTANCE_ID")
        assert static == (None if name in scaled else {"fieldRef": {"fieldPath": "metadata.name"}}), name
        assert ("replicas" in one["spec"]) == (name not in scaled), name
        assert one["spec"]["podManagementPolicy"] == "Parallel", name
        assert one["spec"]["minReadySeconds"] > 0, name


@every_rendering
def test_a_budget_is_for_more_than_one_pod(manifests):
    many = {
        one["metadata"]["name"]
        for kind in ("Deployment", "StatefulSet")
        for one in of_kind(manifests, kind)
        if one["spec"].get("replicas") != 1
    }
    budgets = {one["metadata"]["name"]: one["spec"] for one in of_kind(manifests, "PodDisruptionBudget")}
    assert set(budgets) == many
    assert all(budget["maxUnavailable"] == 1 for budget in budgets.values())


@every_rendering
def test_no_public_service_has_the_admin_port(manifests):
    for service in of_kind(manifests, "Service"):
        ports = [port["name"] for port in service["spec"]["ports"]]
        assert ports == (["admin"] if service["spec"].get("clusterIP") == "None" else ["http"])


@every_rendering
def test_selectors_find_the_pods_of_their_role(manifests):
    for kind in ("Deployment", "StatefulSet"):
        for one in of_kind(manifests, kind):
            labels = one["spec"]["template"]["metadata"]["labels"]
            assert one["spec"]["selector"]["matchLabels"].items() <= labels.items()
            assert one["metadata"]["name"] == f"acme-stripeline-{labels['app.kubernetes.io/component']}"


def test_a_session_outlives_a_restart_of_a_static_member():
    assert environment(render(MINIMAL), "router")["STRIPELINE_SESSION_TIMEOUT"] == "60s"
    assert "STRIPELINE_SESSION_TIMEOUT" not in environment(render(with_values(SCALED)), "router")
    chosen = with_values({"executor": {"config": {"STRIPELINE_SESSION_TIMEOUT": "45s"}}})
    assert environment(render(chosen), "executor")["STRIPELINE_SESSION_TIMEOUT"] == "45s"


def test_workers_are_scaled_on_our_own_figures():
    known = {row.name: row.labels for row in ROWS}
    found = of_kind(render(with_values(SCALED)), "ScaledObject")
    assert len(found) == 2
    for one in found:
        role, spec = one["metadata"]["name"].rsplit("-", 1)[-1], one["spec"]
        assert spec["minReplicaCount"] >= 1
        assert [trigger["type"] for trigger in spec["triggers"]] == ["prometheus", "prometheus"]
        for trigger in spec["triggers"]:
            [metric] = re.findall(r"stripeline_\w+", trigger["metadata"]["query"])
            assert "role" in known[metric]
            assert f'role="{role}"' in trigger["metadata"]["query"]
            assert trigger["metadata"]["ignoreNullValues"] == "false"
        down = spec["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]["scaleDown"]
        assert down["stabilizationWindowSeconds"] >= 600
        assert [policy["value"] for policy in down["policies"]] == [1]


def test_the_alerts_are_those_of_prometheus_alone():
    alerts = yaml.safe_load((ROOT / "deploy" / "prometheus" / "alerts.yaml").read_text(encoding="utf-8"))
    [rule] = of_kind(render(with_values(PIECES["monitoring"])), "PrometheusRule")
    assert rule["spec"] == alerts


def test_a_setting_of_one_role_changes_no_other():
    before, after = render(MINIMAL), render(with_values({"config": {"STRIPELINE_INGEST_MAX_BODY": "500KiB"}}))
    changed = [one["metadata"]["name"] for one, two in zip(before, after, strict=True) if one != two]
    assert changed == ["acme-stripeline-ingest"]


def test_numbers_are_written_as_numbers():
    scaled = {"executor": {"autoscaling": {"recordsReady": 2_000_000}}}  # a float from 10⁶ on would be 2e+06
    [_, executor] = of_kind(render(with_values(SCALED, scaled)), "ScaledObject")
    assert executor["spec"]["triggers"][0]["metadata"]["threshold"] == "2000000"
    manifests = render(with_values({"config": {"STRIPELINE_PARTITIONS": 10_000}}))
    assert of_kind(manifests, "ConfigMap", "topics")[0]["data"] == {"partitions": "10000", "prefix": "stripe."}


def test_a_role_may_have_a_kafka_user_of_its_own():
    manifests = render(with_values(PIECES["scram"]))
    assert environment(manifests, "router")["STRIPELINE_KAFKA_SASL_USERNAME"] == "stripeline-router"
    assert environment(manifests, "executor")["STRIPELINE_KAFKA_SASL_USERNAME"] == "stripeline"
    [router] = of_kind(manifests, "StatefulSet", "router")
    names = {volume["secret"]["secretName"] for volume in router["spec"]["template"]["spec"]["volumes"]}
    assert names == {"kafka-cluster-ca-cert", "stripeline-router"}


def test_topics_are_made_before_anything_that_needs_them():
    manifests = render(with_values(PIECES["network policy"]))
    job = of_kind(manifests, "Job", "topics")[0]
    account = of_kind(manifests, "ServiceAccount", "topics")[0]
    policy = of_kind(manifests, "NetworkPolicy", "topics")[0]
    for one in (job, account, policy):
        assert one["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    weight = "helm.sh/hook-weight"
    for one in (account, policy):
        assert int(one["metadata"]["annotations"][weight]) < int(job["metadata"]["annotations"][weight])


def test_helm_test_reads_as_the_console_does():
    user = {"name": "stripeline-console", "key": "password"}
    own = {"console": {"secrets": {"STRIPELINE_KAFKA_SASL_PASSWORD": user}}}
    [test] = of_kind(render(with_values(PIECES["scram"], own)), "Pod")
    assert test["spec"]["serviceAccountName"] == "acme-stripeline-console"
    names = {volume["secret"]["secretName"] for volume in test["spec"]["volumes"]}
    assert names == {"kafka-cluster-ca-cert", "stripeline-console"}
    assert [one["args"] for one in test["spec"]["initContainers"]] == [["topics", "check"]]
    [alone] = of_kind(render(with_values(PIECES["no console"])), "Pod")
    assert alone["spec"]["serviceAccountName"] == "acme-stripeline-topics"


def test_partitions_outlive_the_release():
    [kept] = of_kind(render(MINIMAL), "ConfigMap", "topics")
    assert kept["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"


def test_the_admin_port_is_reached_by_its_own_selector_only():
    for policy in of_kind(render(with_values(PIECES["network policy"])), "NetworkPolicy"):
        for rule in policy["spec"].get("ingress", ()):
            if 9464 in [port["port"] for port in rule["ports"]]:
                assert rule["from"] == PIECES["network policy"]["networkPolicy"]["adminFrom"]
    silent = render(with_values({"networkPolicy": {"enabled": True}}))
    assert "9464" not in json.dumps(of_kind(silent, "NetworkPolicy"))


def test_only_executors_reach_stripe():
    policies = of_kind(render(with_values({"networkPolicy": {"enabled": True}})), "NetworkPolicy")
    ports = {
        one["metadata"]["name"].rsplit("-", 1)[-1]: {
            port["port"] for rule in one["spec"]["egress"] for port in rule["ports"]
        }
        for one in policies
    }
    assert ports == {role: {53, 9092} | ({443} if role == "executor" else set()) for role in ports}


def test_a_console_without_a_volume_keeps_its_index_in_the_pod():
    for values, store in ((MINIMAL, "emptyDir"), (with_values(PIECES["console on a volume"]), "persistentVolumeClaim")):
        [console] = of_kind(render(values), "Deployment", "console")
        spec = console["spec"]["template"]["spec"]
        assert next(volume for volume in spec["volumes"] if volume["name"] == "store")[store]
        assert environment(render(values), "console")["STRIPELINE_CONSOLE_STORE"] == "/var/lib/stripeline/console.db"
    assert "STRIPELINE_CONSOLE_STORE" not in environment(
        render(with_values(PIECES["console in PostgreSQL"])), "console"
    )


def test_the_notes_say_what_scaling_down_costs():
    assert "keeps its partitions until its session ends" in notes(MINIMAL)
    assert "keeps its partitions" not in notes(with_values(SCALED))
    assert "https://hooks.example.com/webhooks/" in notes(PRODUCTION)


def test_every_plain_setting_reaches_its_roles():
    schemas = {variable(field): value_schema(field) for field in Settings.model_fields if place_of(field) == "config"}
    config = {name: sample(schema) for name, schema in schemas.items()}
    manifests = render(
        with_values({"config": config}, SCALED, {"console": {"config": {"STRIPELINE_CONSOLE_AUTH": None}}})
    )
    for role in ("ingest", "router", "executor", "console"):
        got = environment(manifests, role)
        for name, value in config.items():
            other = any(
                f"STRIPELINE_{one.upper()}_" in name and one != role for one in ("ingest", "executor", "console")
            )
            assert got.get(name) == (None if other else str(value)), name


def sample(schema):
    if "enum" in schema:
        return schema["enum"][0]
    return (
        schema.get("maximum", 7) if schema["type"] == "integer" else "7s" if "ms" in schema.get("pattern", "") else "7"
    )
