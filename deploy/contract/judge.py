"""Judges one record by the published contract: its key, its value and its headers. Pure.

It judges by the schemas that other teams have, not by the models. A reason names fields and rules; it must never show
a value, which may be a secret.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson
from jsonschema_rs import Draft202012Validator

from stripeline.contracts.masking import mask_text
from stripeline.deploy.contract.channel import Channel, Message
from stripeline.deploy.contract.published_records import published
from stripeline.workers.actions import actions

_VALUE: Final = "it"
"""What stands in a reason for a value: `it is not of type "integer"`."""
_MOST_PROBLEMS: Final = 5
_MOST_CHARACTERS: Final = 300

Headers = Mapping[str, bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What a record was taken for, and what is wrong with it; nothing for one of the contract."""

    record: str
    problems: Sequence[str]

    @property
    def reason(self) -> str:
        more = len(self.problems) - _MOST_PROBLEMS
        return "; ".join([*self.problems[:_MOST_PROBLEMS], *([f"and {more} more"] if more > 0 else [])])


class Contract:
    """The contract of one topic, ready to judge."""

    def __init__(self, channel: Channel) -> None:
        self._kinds = [_RecordKind(message, channel) for message in channel.messages]
        self._title = channel.title

    def judge(self, key: bytes | None, value: bytes | None, headers: Headers) -> Judgement:
        claims = (kind for kind in self._kinds if kind.claims(key, headers))
        kind = next(claims, None)
        if kind is None:
            return Judgement(record="?", problems=[f"key: there is no such record among {self._title}"])
        return Judgement(
            record=kind.message.name,
            problems=[*kind.key_problems(key), *kind.value_problems(value), *kind.header_problems(headers)],
        )


class _RecordKind:
    """One kind of record on a topic."""

    def __init__(self, message: Message, channel: Channel) -> None:
        self.message = message
        self._marks = {other.marked_by for other in channel.messages} - {None}
        self._may_be_gone = "compact" in channel.topic.cleanup
        # What has no schema is carried as it came, its key too.
        self._key = _validator(message.key) if message.payload else None
        self._value, self._headers = _published(message.payload), _published(message.headers)
        self._known_headers = frozenset(_schema(message.headers)["properties"]) if message.headers else frozenset()

    def claims(self, key: bytes | None, headers: Headers) -> bool:
        """Whether a record is of this kind, by the mark in its headers and by what its key begins with."""
        marked = self.message.marked_by in headers if self.message.marked_by else not self._marks & headers.keys()
        pattern = self.message.key.get("pattern")
        return marked and (pattern is None or bool(re.search(pattern, (key or b"").decode(errors="replace"))))

    def key_problems(self, key: bytes | None) -> Sequence[str]:
        if self._key is None:
            return []
        try:
            return _problems("key", self._key, None if key is None else key.decode())
        except UnicodeDecodeError:
            return ["key: it is not UTF-8"]

    def value_problems(self, value: bytes | None) -> Sequence[str]:
        if self._value is None or (value is None and self._may_be_gone):
            return []
        if value is None:
            return ["value: there is none"]
        try:
            return _problems("value", self._value, orjson.loads(value))
        except orjson.JSONDecodeError:
            return ["value: it is not JSON"]

    def header_problems(self, headers: Headers) -> Sequence[str]:
        if self._headers is None:
            return []
        texts: dict[str, str] = {}
        unreadable = []
        for name in sorted(headers.keys() & self._known_headers):
            try:
                texts[name] = headers[name].decode()
            except UnicodeDecodeError:
                unreadable.append(f"header {name}: it is not UTF-8")
        return [*unreadable, *_problems("header", self._headers, texts)]


def _schema(name: str | None) -> Mapping[str, Any]:
    return next(record.schema() for record in published(frozenset(actions())) if record.name == name)


def _published(name: str | None) -> Draft202012Validator | None:
    return None if name is None else _validator(_schema(name))


def _validator(schema: Mapping[str, Any]) -> Draft202012Validator:
    return Draft202012Validator(dict(schema), mask=_VALUE)


def _problems(part: str, validator: Draft202012Validator, instance: Any) -> Sequence[str]:
    return [_sentence(part, error.instance_path, error.message) for error in validator.iter_errors(instance)]


def _sentence(part: str, path: Sequence[str | int], message: str) -> str:
    # Names of fields are the producer's own words, and could be anything.
    where = ".".join(map(str, path))
    text = mask_text(f"{part} {where}: {message}" if where else f"{part}: {message}")
    return text if len(text) <= _MOST_CHARACTERS else f"{text[:_MOST_CHARACTERS]}…"
