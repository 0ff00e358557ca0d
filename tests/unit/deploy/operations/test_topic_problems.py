"""What is wrong with a topic is said in a sentence with its remedy; what only costs records stops no process."""

import pytest

from stripeline.contracts.operator.operator_vocabulary import TopicProblemKind
from stripeline.contracts.topics import PINNED, Topic, Topics
from stripeline.deploy.operations.rights import Operation, ResourceKind, Right
from stripeline.deploy.operations.topic_problems import (
    Denied,
    Found,
    Surroundings,
    TopicProblem,
    TopicState,
    former_tiers,
    judged,
    paragraph,
    recreated,
    unpinned,
)

RUN = Topic(name="s.run", partitions=4, config={"cleanup.policy": "compact"})
COMMAND = Topic(name="s.action-command", partitions=4, config={"retention.bytes": "-1"})
CONTROL = Topic(name="s.control", partitions=1, config={}, shares_count=False)
USED = Surroundings(in_use=4)
BOTH = (Operation.DESCRIBE, Operation.DESCRIBE_CONFIGS)


def found(partitions: int = 4, *, replicas: int = 3, isr: int = 2, **config: str) -> Found:
    settings = {"cleanup.policy": "compact", "retention.bytes": "-1", "min.insync.replicas": str(isr)}
    config = {name.replace("_", "."): value for name, value in config.items()}
    return Found(partitions=partitions, config={**settings, **config}, own={}, replicas=replicas)


def states(around: Surroundings = USED, **by_name: Found) -> list[TopicState]:
    there = {"s.run": found(), "s.action-command": found(), "s.control": found(1)}
    return judged(
        [RUN, COMMAND, CONTROL], {**there, **{f"s.{n}".replace("_", "-"): f for n, f in by_name.items()}}, around
    )


def problems(around: Surroundings = USED, **by_name: Found) -> list[TopicProblem]:
    return [problem for state in states(around, **by_name) for problem in state.problems]


def test_topics_as_they_must_be_have_no_problem() -> None:
    assert problems() == []
    assert [state.advice for state in states()] == [(), (), ()]


def test_a_missing_topic_is_created() -> None:
    ((problem,),) = [state.problems for state in judged([RUN], {}, USED)]
    assert (problem.missing, problem.stops) == (True, True)
    assert problem.sentence == "s.run does not exist: create it with `stripeline topics apply`"


def test_no_problem_of_an_optional_topic_stops_a_process() -> None:
    seen = Topic(name="s.event-seen", partitions=4, config={"retention.bytes": "-1"}, optional=True)
    hidden = Denied(rights=(Right(resource=ResourceKind.TOPIC, name=seen.name, operation=BOTH[0]),), principal="User:a")
    for there in (None, hidden, found(1), found(retention_bytes="1")):
        (state,) = judged([seen], {} if there is None else {seen.name: there}, USED)
        assert [one.stops for one in state.problems] == [False]


def test_apply_refuses_what_it_can_not_mend() -> None:
    seen = Topic(name="s.event-seen", partitions=4, config={"retention.bytes": "-1"}, optional=True)
    (missing,), (few,), (wrong,) = (
        judged([seen], there, USED)[0].problems
        for there in ({}, {seen.name: found(1)}, {seen.name: found(retention_bytes="1")})
    )
    assert [one.refuses_apply for one in (missing, few, wrong)] == [False, True, False]


def test_a_wrong_setting_is_set() -> None:
    (problem,) = problems(run=found(cleanup_policy="delete"))
    assert problem.settings == {"cleanup.policy": "compact"}
    assert problem.sentence == "s.run has cleanup.policy=delete, not compact: `stripeline topics apply` sets it"


def test_a_clusters_default_that_loses_records_is_a_problem() -> None:
    (problem,) = problems(action_command=found(retention_bytes="200000"))
    assert problem.settings == {"retention.bytes": "-1"}
    assert problem.stops


def test_a_service_without_such_a_setting_has_no_problem() -> None:
    bare = Found(partitions=4, config={"cleanup.policy": "compact"}, own={}, replicas=3)
    assert [one.kind for one in problems(action_command=bare)] == []


def test_pins_that_hold_by_default_only_are_set() -> None:
    assert unpinned(states()) == {"s.action-command": {"retention.bytes": "-1"}}
    pinned = Found(partitions=4, config={"retention.bytes": "-1"}, own={"retention.bytes": "-1"}, replicas=3)
    assert unpinned(judged([COMMAND], {COMMAND.name: pinned}, USED)) == {}
    assert unpinned(judged([COMMAND], {}, USED)) == {}


def test_topics_are_pinned_against_defaults_that_lose_records() -> None:
    for topic in Topics().all(4):
        by_size = {"retention.bytes"} if topic.cleanup == "delete" else set()
        assert set(topic.config) & PINNED == {"unclean.leader.election.enable", *by_size}


@pytest.mark.parametrize("in_use", [0, 4])
def test_another_count_of_all_topics_is_a_wrong_setting(in_use: int) -> None:
    few = problems(Surroundings(in_use=in_use), run=found(2), action_command=found(2))
    assert {one.kind for one in few} == {TopicProblemKind.TOO_FEW_PARTITIONS}
    assert all("set STRIPELINE_PARTITIONS=2, or choose a new STRIPELINE_TOPIC_PREFIX" in one.sentence for one in few)
    assert "lose their order" in few[0].sentence


def test_a_new_installation_takes_the_count_that_is_there() -> None:
    many = problems(Surroundings(), run=found(6), action_command=found(6))
    assert all(one.stops and "set STRIPELINE_PARTITIONS=6" in one.sentence for one in many)
    assert len(many) == 2


def test_a_count_that_workers_have_used_is_the_prefixs() -> None:
    """The setting is too small: tasks would leave partitions alone that they worked on before."""
    many = problems(Surroundings(in_use=6), run=found(6), action_command=found(6))
    assert all(
        one.stops and "set STRIPELINE_PARTITIONS=6: workers have worked on so many" in one.sentence for one in many
    )


def test_partitions_that_were_added_stop_nothing() -> None:
    around = Surroundings(in_use=4, unread={"s.action-command": 12})
    (problem,) = problems(around, action_command=found(8))
    assert (problem.kind, problem.stops) == (TopicProblemKind.UNREAD_PARTITIONS, False)
    assert problem.sentence == (
        "s.action-command has 8 partitions, not 4, and the 12 records on partitions 4 to 7 are read by nobody: let its"
        " producers use partitions 0 to 3, and move the others there as docs/operations.md says"
    )


def test_partitions_that_were_added_to_all_topics_stop_nothing() -> None:
    grown = problems(Surroundings(in_use=4, unread={}), run=found(8), action_command=found(8))
    assert [(one.topic, one.stops) for one in grown] == [("s.run", False), ("s.action-command", False)]
    assert "and records on partitions 4 to 7 are read by nobody" in grown[0].sentence


def test_one_topic_with_fewer_gets_the_others_added() -> None:
    (problem,) = problems(action_command=found(1))
    assert problem.stops
    assert "`kafka-topics.sh --alter --topic s.action-command --partitions 4`" in problem.sentence


def test_more_partitions_of_the_control_topic_stop_nothing() -> None:
    (problem,) = problems(control=found(3))
    assert (problem.stops, problem.kind) == (False, TopicProblemKind.UNREAD_PARTITIONS)
    assert "records on partitions 1 to 2 are read by nobody: let its producers use partition 0" in problem.sentence


def test_more_replicas_in_sync_than_replicas_stop_all_writes() -> None:
    (problem,) = problems(run=found(replicas=2, isr=3))
    assert problem.stops
    assert "has min.insync.replicas=3 and 2 replicas, so Kafka takes no record for it" in problem.sentence
    assert "set min.insync.replicas to 1 on it" in problem.sentence
    assert problem.kind is TopicProblemKind.TAKES_NOTHING  # an alert pages for it; too few replicas are advice


@pytest.mark.parametrize(
    ("replicas", "isr", "brokers", "words"),
    [
        (1, 1, 1, "has one replica and min.insync.replicas=1, so its records are lost with one disk: for production"),
        (1, 1, 1, "use a Kafka of three brokers"),
        (1, 1, 3, "kafka-reassign-partitions.sh adds some"),
        (3, 1, 3, "an acknowledged record may be on one broker only: set min.insync.replicas=2 on it"),
        (2, 1, 3, "an acknowledged record may be on one broker only"),
        (3, 3, 3, "Kafka takes no record for it while one broker is away"),
    ],
)
def test_too_few_copies_are_advice(replicas: int, isr: int, brokers: int, words: str) -> None:
    around = Surroundings(in_use=4, brokers=brokers)
    assert problems(around, run=found(replicas=replicas, isr=isr)) == []
    ((advice,), *_) = [state.advice for state in states(around, run=found(replicas=replicas, isr=isr))]
    assert words in advice.sentence
    assert not advice.stops


def test_what_waits_in_a_former_tier_is_said() -> None:
    (problem,) = former_tiers({"s.action-retry.2m": 3, "s.action-retry.9m": 0})
    assert (problem.stops, problem.kind) == (False, TopicProblemKind.FORMER_TIER)
    assert "belongs to no tier of STRIPELINE_RETRY_TIERS, and 3 commands wait in it" in problem.sentence


def test_a_topic_created_again_is_a_loss() -> None:
    topics = Topics()
    assert "it is read from its beginning" in recreated(topics.command, topics).sentence
    assert "A changelog was created again" in recreated(topics.ledger, topics).sentence


def test_what_is_wrong_with_many_alike_is_said_once() -> None:
    gone = [problem for state in judged([RUN, CONTROL], {}, USED) for problem in state.problems]
    assert paragraph(gone) == "s.run, s.control does not exist: create it with `stripeline topics apply`."


def denied(name: str, *operations: Operation) -> Denied:
    rights = tuple(Right(resource=ResourceKind.TOPIC, name=name, operation=operation) for operation in operations)
    return Denied(rights=rights, principal="User:ada")


def test_a_hidden_topic_is_not_called_missing() -> None:
    ((problem,),) = [state.problems for state in judged([RUN], {"s.run": denied("s.run", *BOTH)}, USED)]
    assert not problem.missing
    assert problem.sentence == (
        "s.run may not be seen, if it exists, by User:ada: grant Describe and DescribeConfigs on topic s.run to"
        " User:ada"
    )


def test_hidden_settings_name_the_right() -> None:
    hidden = {"s.run": denied("s.run", Operation.DESCRIBE_CONFIGS)}
    ((problem,),) = [state.problems for state in judged([RUN], hidden, USED)]
    assert problem.sentence == (
        "s.run has settings that may not be seen, by User:ada: grant DescribeConfigs on topic s.run to User:ada"
    )


def test_rights_that_many_topics_lack_are_granted_at_once() -> None:
    hidden = {name: denied(name, Operation.DESCRIBE_CONFIGS) for name in ("s.run", "s.control")}
    found_problems = [problem for state in judged([RUN, CONTROL], hidden, USED) for problem in state.problems]
    assert paragraph(found_problems) == (
        "s.run, s.control has settings that may not be seen, by User:ada: grant DescribeConfigs on topic s.run and"
        " topic s.control to User:ada."
    )
