"""What is generated in the chart follows the settings model, and its version is the product's."""

import itertools
import json
import re
import tomllib

import jsonschema_rs
import pytest
import yaml

from stripeline.contracts.retry_tiers import DEFAULT_TIERS
from stripeline.deploy.kubernetes.chart_files import generated
from stripeline.deploy.kubernetes.chart_settings import place_of, readers, value_schema, variables
from stripeline.deploy.settings.settings import Settings, SettingsError, load_settings, variable
from tests.support.product_sources import ROOT

CHART = ROOT / "deploy" / "kubernetes" / "chart"
SCHEMA = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
FIELDS = [field for field in Settings.model_fields if place_of(field) == "config"]


@pytest.mark.parametrize(
    ("path", "text"), generated(ROOT / "deploy").items(), ids=lambda value: value.rsplit("/", 1)[-1]
)
def test_generated_files_are_up_to_date(path, text):
    assert (ROOT / "deploy" / path).read_text(encoding="utf-8") == text, (
        "run: python -m stripeline.deploy.kubernetes.chart_files deploy (or `make docs`)"
    )


def test_the_charts_version_is_the_products():
    product = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))
    assert (chart["version"], chart["appVersion"]) == (product, product)


def test_each_setting_enters_at_one_place():
    places = [variables(place) for place in ("config", "secrets", "files", "chart")]
    assert sorted(itertools.chain(*places)) == sorted(map(variable, Settings.model_fields))
    assert set(SCHEMA["properties"]["config"]["properties"]) == set(variables("config"))
    assert set(SCHEMA["properties"]["secrets"]["properties"]) == set(variables("secrets"))


def test_every_secret_and_file_has_readers():
    assert all(readers(name) for name in (*variables("secrets"), *variables("files")))
    assert readers("STRIPELINE_MASTER_KEY") == ("ingest", "executor")


def test_no_secret_may_be_a_value():
    config = SCHEMA["properties"]["config"]["properties"]
    assert not re.search("PASSWORD|SECRET|MASTER_KEY|PROXY$|STORE", " ".join(config).replace("TRUSTED_PROXIES", ""))


@pytest.mark.parametrize("field", FIELDS)
def test_the_schema_takes_a_default_as_it_is_shown(field, monkeypatch):
    default = {"retry_tiers": DEFAULT_TIERS}.get(field, Settings.model_fields[field].default)
    if default in {None, ()}:
        return
    row = next(one for one in table() if one["variable"] == variable(field))
    text = yaml.safe_load(row["default"]) if value_schema(field)["type"] == "integer" else row["default"]
    assert jsonschema_rs.is_valid(value_schema(field), text)
    monkeypatch.setenv(variable(field), str(text))
    assert getattr(load_settings(), field) == Settings.model_fields[field].default


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("STRIPELINE_LOG_LEVEL", "loud"),
        ("STRIPELINE_KAFKA_SECURITY_PROTOCOL", "TLS"),
        ("STRIPELINE_SESSION_TIMEOUT", "12"),
        ("STRIPELINE_CONSOLE_WINDOW", "7 days"),
        ("STRIPELINE_INGEST_MAX_BODY", "1GB"),
        ("STRIPELINE_PARTITIONS", 0),
        ("STRIPELINE_PARTITIONS", 10_001),
    ],
)
def test_the_schema_refuses_what_the_settings_refuse(name, value, monkeypatch):
    assert not jsonschema_rs.is_valid(SCHEMA["properties"]["config"], {name: value})
    monkeypatch.setenv(name, str(value))
    with pytest.raises(SettingsError):
        load_settings()


def table() -> list[dict[str, str]]:
    text = (CHART / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| ([^|]*) \| ([^|]*) \| ([^|]*) \|", text, re.MULTILINE)
    return [{"variable": name, "in": place, "default": default.strip("` ")} for name, place, _, default in rows]
