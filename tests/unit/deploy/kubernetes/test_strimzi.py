"""Strimzi's resources say what the topic model and the table of rights say, in the form that Strimzi takes."""

import json
import re

import jsonschema_rs
import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from stripeline.contracts.topics import Topics
from stripeline.deploy.cli import main
from stripeline.deploy.kubernetes.strimzi import PROCESSES, topic_resources, user_name, user_resources
from stripeline.deploy.operations.rights import Purpose, ResourceKind, rights_of, without_implied
from tests.support.product_sources import ROOT

SCHEMAS = ROOT / "tests" / "deploy" / "schemas"
JUDGES = {
    kind: jsonschema_rs.validator_for(json.loads((SCHEMAS / f"{kind}.json").read_text(encoding="utf-8")))
    for kind in ("KafkaTopic", "KafkaUser")
}
TOPICS = Topics()
prefixes = st.from_regex(r"\A[A-Za-z0-9._-]{0,40}\Z")


def granted(user) -> set[tuple[str, str, bool, str]]:
    return {
        (kind, on.get("name", "kafka-cluster"), on.get("patternType") == "prefix", operation)
        for acl in user["spec"]["authorization"]["acls"]
        for kind, on in [(acl["resource"]["type"], acl["resource"])]
        for operation in acl["operations"]
    }


def needed(purpose: Purpose, *, optional: bool) -> set[tuple[str, str, bool, str]]:
    kinds = {ResourceKind.TRANSACTIONAL_ID: "transactionalId"}
    rights = without_implied([right for right in rights_of(purpose, TOPICS) if optional or not right.optional])
    return {(kinds.get(one.resource, one.resource), one.name, one.prefixed, one.operation) for one in rights}


@pytest.mark.parametrize("optional", [False, True], ids=["needed", "optional"])
@pytest.mark.parametrize("purpose", Purpose)
def test_a_user_has_exactly_the_rights_of_its_role(purpose, optional):
    [user] = user_resources([purpose], TOPICS, "kafka", authentication="tls", optional=optional)
    assert granted(user) == needed(purpose, optional=optional)
    resources = [json.dumps(acl["resource"], sort_keys=True) for acl in user["spec"]["authorization"]["acls"]]
    assert sorted(set(resources)) == sorted(resources)


def test_topics_are_those_of_the_model():
    found = {one["spec"]["topicName"]: one["spec"] for one in topic_resources(TOPICS, 12, "kafka", replication=3)}
    for topic in TOPICS.all(12):
        spec = found.pop(topic.name)
        assert (spec["partitions"], spec["replicas"]) == (topic.partitions, 3)
        assert spec["config"] == {**topic.config, **topic.created_with}
    assert found == {}


def test_replicas_are_left_to_the_cluster_by_default():
    assert all("replicas" not in one["spec"] for one in topic_resources(TOPICS, 12, "kafka"))


@given(prefixes)
def test_any_prefix_gives_what_strimzi_takes(prefix):
    topics = Topics(prefix=prefix)
    made = [*topic_resources(topics, 3, "kafka"), *user_resources(Purpose, topics, "kafka", authentication="tls")]
    names = [(one["kind"], one["metadata"]["name"]) for one in made]
    assert sorted(set(names)) == sorted(names)
    for one in made:
        assert re.fullmatch(r"[a-z0-9]([-.a-z0-9]*[a-z0-9])?", one["metadata"]["name"]), one["metadata"]["name"]
        JUDGES[one["kind"]].validate(one)


@given(prefixes, prefixes)
@example("A_b.", "a-b.")
@example("a", "a.")
def test_two_installations_never_share_a_user(one, other):
    if one != other:
        purpose = Purpose.ROUTER
        assert user_name(purpose, Topics(prefix=one)) != user_name(purpose, Topics(prefix=other))


@pytest.mark.parametrize(
    "change",
    [{"partitons": 3}, {"partitions": "three"}, {"partitions": 0}],
    ids=["field", "type", "least"],
)
def test_the_judge_refuses_a_wrong_topic(change):
    [topic, *_] = topic_resources(TOPICS, 3, "kafka")
    assert not JUDGES["KafkaTopic"].is_valid(topic | {"spec": topic["spec"] | change})


def test_the_command_prints_them_as_yaml(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["topics", "export", "--cluster", "kafka", "--partitions", "5"])
    assert ended.value.code == 0
    printed = list(yaml.safe_load_all(capsys.readouterr().out))
    assert printed == [
        *topic_resources(TOPICS, 5, "kafka"),
        *user_resources(PROCESSES, TOPICS, "kafka", authentication="scram-sha-512"),
    ]
