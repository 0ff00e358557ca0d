"""The four sets, compared: what was acknowledged, what is on the topics, what was done, and what was told. Pure.

Each rule is a function that names what breaks it. `RULES` is the list of promises that the suite holds.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

STEPS = ("customer", "deposit")
POSTS = ("stripe/create-customer", "stripe/create-payment-intent")

DECLINED_AMOUNT = 4_002
"""The sandbox declines a payment of this: it answers 402, and keeps its PaymentIntent, which is no effect."""


@dataclass(frozen=True, kw_only=True)
class Sent:
    """What the generators sent, and what of it was acknowledged."""

    events: frozenset[str]
    events_acknowledged: frozenset[str]
    commands: Mapping[str, str]  # the action of each id
    commands_acknowledged: frozenset[str]
    rubbish: frozenset[bytes] = frozenset()
    reused: frozenset[bytes] = frozenset()
    perhaps: frozenset[bytes] = frozenset()  # of these two, what nobody knows whether it is on the topic


@dataclass(frozen=True, slots=True, kw_only=True)
class OnTopic:
    """A command as it stands on the topic: where, and under which key."""

    id: str
    key: bytes | None
    place: tuple[int, int]
    of_a_run: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Dead:
    reason: str
    value: bytes
    command_id: str | None


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What is there at the end."""

    events: Sequence[str]
    commands: Sequence[OnTopic]  # those that can be read, in the order of their partitions
    runs: Mapping[str, Mapping[str, Any]]
    results: Sequence[Mapping[str, Any]]
    dead: Sequence[Dead]
    effects: Sequence[Mapping[str, Any]]

    @cached_property
    def first_results(self) -> Mapping[str, Mapping[str, Any]]:
        return {result["command_id"]: result for result in self.results if result["revision"] == 0}

    @cached_property
    def effects_of(self) -> Mapping[str, Sequence[Mapping[str, Any]]]:
        by_command = defaultdict(list)
        for effect in self.effects:
            by_command[effect["command"]].append(effect)
        return by_command

    @cached_property
    def command_ids(self) -> frozenset[str]:
        return frozenset(command.id for command in self.commands)


Rule = Callable[[Sent, Seen], Iterable[Any]]


def acknowledged_events_are_on_the_topic(sent: Sent, seen: Seen) -> Iterable[Any]:
    return sent.events_acknowledged - set(seen.events)


def events_on_the_topic_were_sent(sent: Sent, seen: Seen) -> Iterable[Any]:
    return set(seen.events) - sent.events


def acknowledged_commands_are_on_the_topic(sent: Sent, seen: Seen) -> Iterable[Any]:
    return sent.commands_acknowledged - seen.command_ids


def each_event_has_one_run_and_each_run_its_event(_: Sent, seen: Seen) -> Iterable[Any]:
    return {f"{event}:two-steps" for event in seen.events} ^ set(seen.runs)


def each_run_has_ended_as_its_results_say(_: Sent, seen: Seen) -> Iterable[Any]:
    for name, run in seen.runs.items():
        told = [seen.first_results.get(f"{name}:{step}", {}).get("status") for step in STEPS]
        good = "succeeded" if told == ["succeeded", "succeeded"] else "stopped"
        if run["status"] != good:
            yield name, run["status"], told


def each_run_has_exactly_its_commands(_: Sent, seen: Seen) -> Iterable[Any]:
    wanted = {f"{run}:customer" for run in seen.runs}
    wanted |= {f"{run}:deposit" for run in seen.runs if _status(seen, f"{run}:customer") == "succeeded"}
    counts = Counter(command.id for command in seen.commands if command.of_a_run)
    yield from wanted ^ set(counts)
    yield from (f"{name} {count} times" for name, count in counts.items() if count > 1)


def commands_on_the_topic_were_sent(sent: Sent, seen: Seen) -> Iterable[Any]:
    return {command.id for command in seen.commands if not command.of_a_run} - set(sent.commands)


def each_command_has_exactly_one_first_result(_: Sent, seen: Seen) -> Iterable[Any]:
    counts = Counter(result["command_id"] for result in seen.results if result["revision"] == 0)
    yield from seen.command_ids ^ set(counts)
    yield from (f"{name} {count} results" for name, count in counts.items() if count > 1)


def each_effect_has_its_command(_: Sent, seen: Seen) -> Iterable[Any]:
    return set(seen.effects_of) - seen.command_ids


def what_succeeded_was_done_once(_: Sent, seen: Seen) -> Iterable[Any]:
    """A declined payment whose 402 was lost is found by its look-up, and has no effect."""
    for name, result in seen.first_results.items():
        if result["status"] == "succeeded" and result["action"] in POSTS:
            done = [effect["id"] for effect in seen.effects_of.get(name, ())]
            declined = not done and result["output"].get("amount") == DECLINED_AMOUNT
            if done != [result["output"]["id"]] and not declined:
                yield name, done


def what_failed_was_not_done(_: Sent, seen: Seen) -> Iterable[Any]:
    return [n for n, result in seen.first_results.items() if result["status"] == "failed" and n in seen.effects_of]


def what_is_indeterminate_was_done_at_most_once(_: Sent, seen: Seen) -> Iterable[Any]:
    return [name for name, done in seen.effects_of.items() if len(done) > 1]


def dead_letters_are_those_that_must_be(sent: Sent, seen: Seen) -> Iterable[Any]:
    """Unchanged, once, and none of anything that ended otherwise."""
    wanted = Counter(
        [("unreadable", value) for value in sent.rubbish] + [("id_reused", value) for value in sent.reused]
    )
    found: Counter[tuple[str, Any]] = Counter()
    for letter in seen.dead:
        about = letter.value if letter.reason in {"unreadable", "id_reused"} else letter.command_id
        found[letter.reason if isinstance(about, bytes) else "ended", about] += 1
    for name, result in seen.first_results.items():
        if result["status"] == "indeterminate" or (result["status"] == "failed" and result["error"]["retryable"]):
            wanted["ended", name] += 1
    yield from (("missing", *one) for one in (wanted - found))
    perhaps = Counter((reason, value) for value in sent.perhaps for reason in ("unreadable", "id_reused"))
    yield from (("unexpected", *one) for one in (found - wanted - perhaps))


def no_dead_letter_is_a_fault_of_ours(_: Sent, seen: Seen) -> Iterable[Any]:
    return [letter.command_id or letter.value[:80] for letter in seen.dead if letter.reason == "internal_error"]


def effects_of_a_key_are_in_the_order_of_its_commands(_: Sent, seen: Seen) -> Iterable[Any]:
    done = {effect["command"]: number for number, effect in enumerate(seen.effects)}
    last: dict[bytes, int] = {}
    begun: set[str] = set()
    for command in seen.commands:
        number = done.get(command.id)
        if command.key is None or number is None or command.id in begun:  # a twin changes no order
            continue
        begun.add(command.id)
        if number < last.get(command.key, -1):
            yield command.key, command.id
        last[command.key] = number


def _status(seen: Seen, command_id: str) -> str | None:
    result = seen.first_results.get(command_id)
    return None if result is None else result["status"]


RULES: tuple[Rule, ...] = (
    acknowledged_events_are_on_the_topic,
    events_on_the_topic_were_sent,
    acknowledged_commands_are_on_the_topic,
    commands_on_the_topic_were_sent,
    each_event_has_one_run_and_each_run_its_event,
    each_run_has_ended_as_its_results_say,
    each_run_has_exactly_its_commands,
    each_command_has_exactly_one_first_result,
    each_effect_has_its_command,
    what_succeeded_was_done_once,
    what_failed_was_not_done,
    what_is_indeterminate_was_done_at_most_once,
    dead_letters_are_those_that_must_be,
    no_dead_letter_is_a_fault_of_ours,
    effects_of_a_key_are_in_the_order_of_its_commands,
)


def broken_rules(sent: Sent, seen: Seen) -> dict[str, list[Any]]:
    """Each rule's offenders, by the rule's sentence; an empty list is a promise kept."""
    return {rule.__name__.replace("_", " "): list(rule(sent, seen)) for rule in RULES}
