"""Judges the `types` of a workflow against its trigger's family and what Stripe sends. Pure.

A misspelled type never fires, and nobody would notice. But Stripe adds types: one that is like none that we know is
taken with a warning, and one that is spelled like another is taken when `--allow-type` names it.
"""

from collections.abc import Collection, Iterator, Sequence

from stripeline.contracts.definitions import Trigger
from stripeline.contracts.families import Family, families
from stripeline.contracts.type_filters import matches
from stripeline.deploy.definitions.nearest import nearest
from stripeline.deploy.definitions.problems import Place, Problem


def check_types(
    place: Place, types: Sequence[str], trigger: Trigger, allowed: Collection[str] = ()
) -> Iterator[Problem]:
    """What is wrong, or doubtful, with each of a workflow's types. `allowed`: that Stripe is known to have."""
    family, payload = families()[trigger.kind], trigger.payload or "snapshot"
    for position, written in enumerate(types):
        at = (*place, position)
        if not _starts(written, family):
            yield Problem(place=at, reason=_never(written, family))
        elif written in allowed or any(matches(written, known) for known in family.types_of(payload)):
            continue
        elif any(matches(written, known) for known in family.types_of("both")):
            yield Problem(place=at, reason=_of_the_other(written, trigger, payload))
        else:
            yield _unknown(at, written, family)


def _of_the_other(written: str, trigger: Trigger, payload: str) -> str:
    """A type that the trigger would get with another `payload`."""
    other = "thin" if payload == "snapshot" else "snapshot"
    return (
        f"{written!r} never fires: Stripe has it as a {other} event alone, and the trigger takes {payload} events: set"
        f" `payload: both` on the {trigger.kind} trigger"
    )


def _starts(written: str, family: Family) -> bool:
    return written == "*" or written.startswith(family.prefix)


def _never(written: str, family: Family) -> str:
    owner = next((one for one in families().values() if written.startswith(one.prefix)), None)
    if owner is not None:
        end = f"; a trigger of the kind {owner.kind} has that type"
    else:
        like = _like(written, family)
        end = f"; did you mean {like}?" if like else ""
    return f"{written!r} never fires: the trigger is {family.kind}, whose types start with {family.prefix}{end}"


def _unknown(place: Place, written: str, family: Family) -> Problem:
    like = _like(written, family)
    if like is None:
        reason = f"Stripe has no type {written!r} that we know: if it is not new at Stripe, it never fires"
        return Problem(place=place, reason=reason, warning=True)
    reason = (
        f"Stripe has no such type as {written!r}: did you mean {like}? If it is new at Stripe, apply with"
        f" --allow-type '{written}'"
    )
    return Problem(place=place, reason=reason)


def _like(written: str, family: Family) -> str | None:
    """The type, or the prefix with `.*`, that was probably meant."""
    if not written.endswith("*"):
        return nearest(written, family.types_of("both"))
    prefixes = {known.rpartition(".")[0] for known in family.types_of("both")}
    found = nearest(written.removesuffix("*").removesuffix("."), prefixes)
    return None if found is None else f"{found}.*"
