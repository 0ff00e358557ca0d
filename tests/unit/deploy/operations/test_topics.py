"""What is wrong with a topic is said in a sentence that mends it."""

from stripeline.contracts.topics import Topic
from stripeline.deploy.operations.rights import Operation, ResourceKind, Right
from stripeline.deploy.operations.topics import judge, paragraph
from stripeline.deploy.operations.topics_admin import Denied, Found

WANTED = Topic(name="s.run", partitions=4, config={"cleanup.policy": "compact"})
CONTROL = Topic(name="s.control", partitions=1, config={})


def found(partitions: int = 4, cleanup: str = "compact") -> Found:
    return Found(partitions=partitions, config={"cleanup.policy": cleanup}, own={})


def denied(name: str, *operations: Operation) -> Denied:
    rights = tuple(Right(resource=ResourceKind.TOPIC, name=name, operation=operation) for operation in operations)
    return Denied(rights=rights, principal="User:ada")


def test_a_topic_as_it_must_be_has_no_problem() -> None:
    assert judge(WANTED, found()) == ()


def test_a_missing_topic_is_created() -> None:
    (problem,) = judge(WANTED, None)
    assert problem.missing
    assert problem.sentence == "s.run does not exist: create it with `stripeline topics apply`"


def test_a_wrong_setting_is_set() -> None:
    (problem,) = judge(WANTED, found(cleanup="delete"))
    assert problem.settings == {"cleanup.policy": "compact"}
    assert problem.sentence == "s.run has cleanup.policy=delete, not compact: `stripeline topics apply` sets it"


def test_a_partition_count_is_for_ever() -> None:
    (problem,) = judge(WANTED, found(partitions=6))
    assert not problem.settings
    assert "set STRIPELINE_PARTITIONS=6, or choose a new STRIPELINE_TOPIC_PREFIX" in problem.sentence
    assert "lose their order" in problem.sentence
    (problem,) = judge(CONTROL, Found(partitions=3, config={}, own={}))
    assert "delete it, and `stripeline topics apply` creates it anew with one" in problem.sentence


def test_what_is_wrong_with_many_alike_is_said_once() -> None:
    problems = [*judge(WANTED, None), *judge(CONTROL, None)]
    assert paragraph(problems) == "s.run, s.control does not exist: create it with `stripeline topics apply`."


def test_a_hidden_topic_is_not_called_missing() -> None:
    (problem,) = judge(WANTED, denied("s.run", Operation.DESCRIBE, Operation.DESCRIBE_CONFIGS))
    assert not problem.missing
    assert problem.sentence == (
        "s.run may not be seen, if it exists, by User:ada: grant Describe and DescribeConfigs on topic s.run to"
        " User:ada"
    )


def test_hidden_settings_name_the_right() -> None:
    (problem,) = judge(WANTED, denied("s.run", Operation.DESCRIBE_CONFIGS))
    assert problem.sentence == (
        "s.run has settings that may not be seen, by User:ada: grant DescribeConfigs on topic s.run to User:ada"
    )


def test_rights_that_many_topics_lack_are_granted_at_once() -> None:
    problems = [
        *judge(WANTED, denied("s.run", Operation.DESCRIBE_CONFIGS)),
        *judge(CONTROL, denied("s.control", Operation.DESCRIBE_CONFIGS)),
    ]
    assert paragraph(problems) == (
        "s.run, s.control has settings that may not be seen, by User:ada: grant DescribeConfigs on topic s.run and"
        " topic s.control to User:ada."
    )
