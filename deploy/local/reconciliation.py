"""Reconciles four sets: what was acknowledged, what is on the topics, what Stripe did, and what results say. Pure.

Each rule is a function that yields what breaks it. `RULES` is the list of promises that the demo, the end-to-end tests
and the fault suite hold.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import Any

from stripeline.contracts.vocabulary import DeadLetterReason
from stripeline.workers.actions import built_in_actions

_BY_VALUE = (DeadLetterReason.UNREADABLE, DeadLetterReason.ID_REUSED)
DECLINED_AMOUNT = 4_002
"""The sandbox declines a payment of this: it answers 402, and keeps its PaymentIntent, which is no effect."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What was sent, and what of it was acknowledged.

    events: the workflows that each event starts, by the event's id.
    steps: each workflow's steps, in order.
    rubbish, reused: acknowledged values that are no command, and those under an id that belongs to another command.
    perhaps: values of these two kinds of which nobody knows whether the topic has them.
    accounts: where the effects of each command belong, by its id; those of runs all belong to `account_of_runs`.
    """

    events: Mapping[str, Iterable[str]]
    events_acknowledged: frozenset[str]
    steps: Mapping[str, Sequence[str]]
    commands: frozenset[str] = frozenset()
    commands_acknowledged: frozenset[str] = frozenset()
    rubbish: frozenset[bytes] = frozenset()
    reused: frozenset[bytes] = frozenset()
    perhaps: frozenset[bytes] = frozenset()
    accounts: Mapping[str, str] = field(default_factory=dict)
    account_of_runs: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SentCommand:
    """A command as the topic has it: its id and key, and whether a run sent it."""

    id: str
    key: bytes | None
    of_a_run: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedCommand:
    """A dead letter: its reason and value, and the command's id where the value is one."""

    reason: str
    value: bytes
    command_id: str | None


@dataclass(frozen=True, kw_only=True)
class EndState:
    """What is there at the end. `commands`: those that can be read, in the order of their partitions."""

    events: Sequence[str]
    commands: Sequence[SentCommand]
    runs: Mapping[str, Mapping[str, Any]]
    results: Sequence[Mapping[str, Any]]
    dead_letters: Sequence[EndedCommand]
    effects: Sequence[Mapping[str, Any]] = field(default=())

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

    def status(self, command_id: str) -> str | None:
        result = self.first_results.get(command_id)
        return None if result is None else result["status"]


Rule = Callable[[Sent, EndState], Iterable[Any]]


def acknowledged_events_are_on_the_topic(sent: Sent, state: EndState) -> Iterable[Any]:
    return sent.events_acknowledged - set(state.events)


def events_on_the_topic_were_sent(sent: Sent, state: EndState) -> Iterable[Any]:
    return set(state.events) - sent.events.keys()


def acknowledged_commands_are_on_the_topic(sent: Sent, state: EndState) -> Iterable[Any]:
    return sent.commands_acknowledged - state.command_ids


def commands_on_the_topic_were_sent(sent: Sent, state: EndState) -> Iterable[Any]:
    return {command.id for command in state.commands if not command.of_a_run} - sent.commands


def each_event_has_its_runs_and_each_run_its_event(sent: Sent, state: EndState) -> Iterable[Any]:
    wanted = {f"{event}:{workflow}" for event in state.events for workflow in sent.events.get(event, ())}
    return wanted ^ state.runs.keys()


def each_run_has_ended_as_its_results_say(sent: Sent, state: EndState) -> Iterable[Any]:
    for name, run in state.runs.items():
        statuses = [state.status(f"{name}:{step}") for step in _steps(sent, name)]
        wanted = "succeeded" if set(statuses) == {"succeeded"} else "stopped"
        if run["status"] != wanted:
            yield name, run["status"], statuses


def each_run_has_exactly_its_commands(sent: Sent, state: EndState) -> Iterable[Any]:
    wanted = {command for run in state.runs for command in _commands(sent, state, run)}
    counts = Counter(command.id for command in state.commands if command.of_a_run)
    yield from wanted ^ counts.keys()
    yield from _more_than_once(counts, "times")


def each_command_has_exactly_one_first_result(_: Sent, state: EndState) -> Iterable[Any]:
    counts = Counter(result["command_id"] for result in state.results if result["revision"] == 0)
    yield from state.command_ids ^ counts.keys()
    yield from _more_than_once(counts, "results")


def each_effect_has_its_command(_: Sent, state: EndState) -> Iterable[Any]:
    return state.effects_of.keys() - state.command_ids


def what_succeeded_was_done_once(_: Sent, state: EndState) -> Iterable[Any]:
    """A declined payment whose 402 was lost is found by its look-up, and has no effect."""
    for name, result in state.first_results.items():
        if result["status"] == "succeeded" and result["action"] in _posts():
            done = [effect["id"] for effect in state.effects_of.get(name, ())]
            declined = not done and result["output"].get("amount") == DECLINED_AMOUNT
            if done != [result["output"]["id"]] and not declined:
                yield name, done


def what_failed_was_not_done(_: Sent, state: EndState) -> Iterable[Any]:
    return [name for name in state.effects_of if state.status(name) == "failed"]


def what_is_indeterminate_was_done_at_most_once(_: Sent, state: EndState) -> Iterable[Any]:
    return [name for name, done in state.effects_of.items() if len(done) > 1]


def effects_are_on_the_account_of_their_command(sent: Sent, state: EndState) -> Iterable[Any]:
    for effect in state.effects:
        of_a_run = effect["command"] not in sent.commands
        wanted = sent.account_of_runs if of_a_run else sent.accounts.get(effect["command"])
        if wanted is not None and effect["account"] != wanted:
            yield effect["command"], effect["account"], wanted


def dead_letters_are_those_that_must_be(sent: Sent, state: EndState) -> Iterable[Any]:
    """Unchanged, once, and none of anything that ended otherwise."""
    found: Counter[tuple[str, Any]] = Counter()
    for letter in state.dead_letters:
        by_value = letter.reason in _BY_VALUE or letter.command_id is None
        found[(letter.reason, letter.value) if by_value else ("ended", letter.command_id)] += 1
    wanted = Counter(
        [
            *((DeadLetterReason.UNREADABLE, value) for value in sent.rubbish),
            *((DeadLetterReason.ID_REUSED, value) for value in sent.reused),
            *(("ended", name) for name, result in state.first_results.items() if _leaves_a_dead_letter(result)),
        ]
    )
    yield from (("missing", *one) for one in (wanted - found))
    perhaps: Counter[tuple[str, Any]] = Counter((reason, value) for value in sent.perhaps for reason in _BY_VALUE)
    yield from (("unexpected", *one) for one in (found - wanted - perhaps))


def no_dead_letter_is_an_internal_error(_: Sent, state: EndState) -> Iterable[Any]:
    return [
        one.command_id or one.value[:80] for one in state.dead_letters if one.reason == DeadLetterReason.INTERNAL_ERROR
    ]


def effects_of_a_key_are_in_the_order_of_its_commands(_: Sent, state: EndState) -> Iterable[Any]:
    done = {effect["command"]: number for number, effect in enumerate(state.effects)}
    last: dict[bytes, int] = {}
    begun: set[str] = set()
    for command in state.commands:
        number = done.get(command.id)
        if command.key is None or number is None or command.id in begun:  # a twin changes no order
            continue
        begun.add(command.id)
        if number < last.get(command.key, -1):
            yield command.key, command.id
        last[command.key] = number


def _steps(sent: Sent, run: str) -> Sequence[str]:
    return sent.steps.get(run.rpartition(":")[2], ())


def _commands(sent: Sent, state: EndState, run: str) -> Iterable[str]:
    """The commands that a run must have sent: up to the first step that did not succeed."""
    for step in _steps(sent, run):
        yield f"{run}:{step}"
        if state.status(f"{run}:{step}") != "succeeded":
            return


def _more_than_once(counts: Mapping[str, int], what: str) -> Iterable[str]:
    return (f"{name} {count} {what}" for name, count in counts.items() if count > 1)


def _leaves_a_dead_letter(result: Mapping[str, Any]) -> bool:
    """A command that used up its retries, or whose outcome nobody could find out."""
    failed_for_good = result["status"] == "failed" and result["error"]["retryable"]
    return result["status"] == "indeterminate" or bool(failed_for_good)


@cache
def _posts() -> frozenset[str]:
    return frozenset(key for key, action in built_in_actions().items() if action.method == "POST")


RULES: tuple[Rule, ...] = (
    acknowledged_events_are_on_the_topic,
    events_on_the_topic_were_sent,
    acknowledged_commands_are_on_the_topic,
    commands_on_the_topic_were_sent,
    each_event_has_its_runs_and_each_run_its_event,
    each_run_has_ended_as_its_results_say,
    each_run_has_exactly_its_commands,
    each_command_has_exactly_one_first_result,
    each_effect_has_its_command,
    what_succeeded_was_done_once,
    what_failed_was_not_done,
    what_is_indeterminate_was_done_at_most_once,
    effects_are_on_the_account_of_their_command,
    dead_letters_are_those_that_must_be,
    no_dead_letter_is_an_internal_error,
    effects_of_a_key_are_in_the_order_of_its_commands,
)


def broken_rules(sent: Sent, state: EndState) -> dict[str, list[Any]]:
    """What breaks each rule, by the rule's sentence. An empty list: the promise is kept."""
    return {sentence(rule): list(rule(sent, state)) for rule in RULES}


def sentence(rule: Rule) -> str:
    return rule.__name__.replace("_", " ")
