"""The mark in a commit's metadata: which topics the offset is of. Pure.

A topic that is deleted and created again has the same name and another id. A committed offset of the former one would
skip records of the new one, and a changelog that was created again has forgotten what was done. So each commit names
the ids of its input and of the changelog. A Kafka that does not tell ids gives no marks, and nothing is compared.
"""

_PARTED = "."


def mark_of(topic_id: str | None, changelog_id: str | None) -> str:
    """The mark of commits; empty where an id is not known."""
    return "" if topic_id is None or changelog_id is None else f"{topic_id}{_PARTED}{changelog_id}"


def is_of_another_topic(committed: str, now: str) -> bool:
    """Whether the input was created again since it was committed."""
    return bool(committed and now) and _ids(committed)[0] != _ids(now)[0]


def is_of_another_changelog(committed: str, now: str) -> bool:
    """Whether the changelog was created again since the commit: its state is lost."""
    return bool(committed and now) and _ids(committed)[1] != _ids(now)[1]


def _ids(mark: str) -> tuple[str, str]:
    topic, _, changelog = mark.partition(_PARTED)
    return topic, changelog
