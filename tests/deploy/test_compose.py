"""The compose file: what each service may do, what it waits for, and that every setting named exists."""

import re

import pytest
import yaml

from stripeline.deploy.cli.terminal.options import OPTIONS
from stripeline.deploy.settings.secret_files import file_variable
from stripeline.deploy.settings.settings import SECRETS, Settings, load_settings, variable
from tests.support.product_sources import ROOT

FOLDER = ROOT / "deploy" / "compose"
COMPOSE = yaml.safe_load((FOLDER / "compose.yaml").read_text(encoding="utf-8"))
SERVICES = COMPOSE["services"]
OURS = ("topics", "ingest", "router", "executor", "console")
KNOWN = {variable(field) for field in Settings.model_fields} | {file_variable(variable(field)) for field in SECRETS}
DEFAULT = re.compile(r"^\$\{\w+:-(.*)\}$")


def environment(name: str) -> dict[str, str]:
    written = {key: str(value) for key, value in SERVICES[name].get("environment", {}).items()}
    return {key: found[1] if (found := DEFAULT.match(value)) else value for key, value in written.items()}


@pytest.mark.parametrize("name", OURS)
def test_every_setting_named_exists_and_can_be_used(name, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    named = environment(name)
    assert set(named) - KNOWN == set()
    fields = {variable(field): field for field in OPTIONS.values()}
    load_settings({fields[key]: value for key, value in named.items() if key in fields})


def test_one_mapping_is_merged_at_a_time():
    """Of a list of them, this parser lets the last one win, and Compose the first: a master key got lost so."""
    assert "<<: [" not in (FOLDER / "compose.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", OURS)
def test_no_secret_is_in_the_environment(name):
    assert not {variable(field) for field in SECRETS if field != "console_store"} & set(environment(name))
    files = [value for value in environment(name).values() if value.startswith("/run/secrets/")]
    assert [path.rpartition("/")[2] for path in files] == SERVICES[name].get("secrets", [])
    assert set(SERVICES[name].get("secrets", [])) <= set(COMPOSE["secrets"])


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_may_do_no_more_than_it_needs(name):
    service = SERVICES[name]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["mem_limit"]
    assert service["cpus"]
    assert service["logging"]["options"]["max-size"]
    assert name == "kafka" or service["read_only"] is True


@pytest.mark.parametrize("name", OURS)
def test_a_process_has_time_to_end(name):
    assert int(SERVICES[name]["stop_grace_period"].removesuffix("s")) > 30


@pytest.mark.parametrize("name", SERVICES)
def test_a_port_is_this_machines_alone_and_an_image_has_a_tag(name):
    assert all(port.startswith("${") and ":-127.0.0.1:" in port for port in SERVICES[name].get("ports", []))
    assert re.fullmatch(r"\$\{\w+:-[\w./-]+:[\w.-]+\}", SERVICES[name]["image"])


def test_a_role_waits_for_the_topics_and_they_for_kafka():
    assert SERVICES["topics"]["depends_on"] == {"kafka": {"condition": "service_healthy"}}
    for name in set(OURS) - {"topics"}:
        assert SERVICES[name]["depends_on"] == {"topics": {"condition": "service_completed_successfully"}}
        assert SERVICES[name]["healthcheck"]["test"][-1] == "readyz"


def test_every_volume_and_every_file_mounted_is_there():
    mounts = [mount.split(":")[0] for service in SERVICES.values() for mount in service.get("volumes", [])]
    assert {mount for mount in mounts if not mount.startswith(".")} == set(COMPOSE["volumes"])
    files = [mount for mount in mounts if mount.startswith(".") and mount != "../grafana/dashboards"]
    assert [mount for mount in files if not (FOLDER / mount).exists()] == []


def test_prometheus_scrapes_every_role():
    scraped = yaml.safe_load((ROOT / "deploy" / "prometheus" / "prometheus.yml").read_text(encoding="utf-8"))
    jobs = {job["job_name"] for job in scraped["scrape_configs"]}
    assert set(OURS) - {"topics"} <= jobs
