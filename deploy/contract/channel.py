"""One topic of the contract as a channel, and the kinds of records on it. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from stripeline.contracts.topics import Topic, Topics

ID_KEY: Final = {"type": "string", "minLength": 1}


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One kind of record on a channel. payload, headers: names of published records; None for anything.

    correlation: where to find what ties a command to its result.
    marked_by: the header that tells it from the channel's other records.
    ours: other teams have nothing to do with it.
    """

    name: str
    title: str
    key: Mapping[str, Any]
    payload: str | None
    headers: str | None = None
    about: str = ""
    content_type: str = "application/json"
    correlation: str | None = None
    marked_by: str | None = None
    ours: bool = False

    def open_to(self, role: str, action: str) -> bool:
        return not (self.ours and (role in {"other-teams", "operator"} and action == "send"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """One topic."""

    name: str
    topic: Topic
    title: str
    about: str
    messages: Sequence[Message]
    writers: Sequence[str]
    readers: Sequence[str]
    address: str
    reply: str | None = None


def address_of(topic: Topic) -> str:
    return "{prefix}" + topic.name.removeprefix(Topics().prefix)
