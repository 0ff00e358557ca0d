"""From what is wanted and what Stripe has to the steps between; a crash anywhere leaves working endpoints."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stripeline.deploy.stripe_side.endpoints.endpoint_plan import (
    Create,
    Delete,
    Enable,
    Forget,
    Step,
    Update,
    begun_roll,
    planned,
)
from stripeline.deploy.stripe_side.endpoints.stripe_destinations import StripeDestination
from stripeline.deploy.stripe_side.endpoints.wanted_destinations import WantedDestination
from tests.support.model_of_destinations import HERE, THEM, DestinationModel

URL = "https://hooks.example.com/webhooks/shop"
Wanted = dict[str, tuple[WantedDestination, ...]]


def wanted(payload: Any = "snapshot", **changes: Any) -> WantedDestination:
    name = changes.get("endpoint", "shop")
    made = WantedDestination(
        endpoint=name, payload=payload, url=f"https://hooks.example.com/webhooks/{name}",
        events=("charge.failed",) if payload == "snapshot" else ("v1.charge.failed",),
        api_version="2026-06-24.dahlia" if payload == "snapshot" else None, connect=False,
    )  # fmt: skip
    return replace(made, **changes)


def at_stripe(name: str = "ed_old", **changes: Any) -> StripeDestination:
    made = StripeDestination(
        id=name, api="v2", payload="snapshot", url=URL, events=frozenset({"charge.failed"}),
        api_version="2026-06-24.dahlia", connect=False, enabled=True, installation=HERE, endpoint="shop",
    )  # fmt: skip
    return replace(made, **changes)


def model(*known: StripeDestination, lost: Sequence[StripeDestination] = ()) -> DestinationModel:
    made = DestinationModel()
    for one in known:
        made.add(one)
    for one in lost:
        made.add(one, record=False)
    return made


def steps(of: DestinationModel, *needed: WantedDestination) -> list[Step]:
    plan = planned(of.state(), {"shop": needed})
    assert plan.problems == ()
    return list(plan.steps)


def brief(found: Sequence[Step]) -> list[str]:
    """`create snapshot`, `delete ed_1`."""
    words = []
    for one in found:
        match one:
            case Create(wanted=made):
                words.append(f"create {made.payload}")
            case Update(at=at) | Enable(at=at) | Delete(at=at):
                words.append(f"{type(one).__name__.lower()} {at.id}")
            case Forget(id=gone):
                words.append(f"forget {gone}")
    return words


OLD = at_stripe()
THIN = at_stripe("ed_thin", payload="thin", events=frozenset({"v1.charge.failed"}), api_version=None)


@pytest.mark.parametrize(
    ("there", "needed", "expected"),
    [
        (model(), (wanted(),), ["create snapshot"]),
        (model(OLD), (wanted(),), []),
        (model(replace(OLD, events=frozenset())), (wanted(),), ["update ed_old"]),
        (model(replace(OLD, url="https://old")), (wanted(),), ["update ed_old"]),
        (model(replace(OLD, enabled=False)), (wanted(),), ["enable ed_old"]),
        (model(replace(OLD, enabled=False, url="x")), (wanted(),), ["update ed_old", "enable ed_old"]),
        (model(replace(OLD, api_version="2025-09-30.clover")), (wanted(),),
         ["create snapshot", "delete ed_old", "forget ed_old"]),
        (model(replace(OLD, connect=True)), (wanted(),), ["create snapshot", "delete ed_old", "forget ed_old"]),
        (model(OLD), (wanted("thin"),), ["create thin", "delete ed_old", "forget ed_old"]),
        (model(OLD, THIN), (wanted(), wanted("thin")), []),
        (model(OLD), (wanted(), wanted("thin")), ["create thin"]),
        (model(OLD, at_stripe("ed_new")), (wanted(),), ["delete ed_old", "forget ed_old"]),
        (model(lost=[OLD]), (wanted(),), ["delete ed_old", "create snapshot"]),
        (model(at_stripe("ed_known"), lost=[OLD]), (wanted(),), ["delete ed_old"]),
        (model(OLD), (), ["delete ed_old", "forget ed_old"]),
        (model(replace(OLD, api="v1", connect=None)), (wanted(),), []),
    ],
)  # fmt: skip
def test_the_steps_between_what_is_there_and_what_is_wanted(
    there: DestinationModel, needed: tuple[WantedDestination, ...], expected: list[str]
):
    assert brief(steps(there, *needed)) == expected


@pytest.mark.parametrize(
    "other",
    [
        replace(OLD, installation=None, endpoint=None), replace(OLD, installation=THEM),
        replace(OLD, endpoint="another"), replace(OLD, payload=None, installation=None, url=None),
    ],
)  # fmt: skip
def test_destinations_of_others_are_not_touched(other: StripeDestination):
    assert brief(steps(model(lost=[other]), wanted())) == ["create snapshot"]


def test_what_was_deleted_at_stripe_is_made_again():
    there = model(OLD)
    there.there.clear()
    assert brief(steps(there, wanted())) == ["create snapshot", "forget ed_old"]


def test_a_destination_that_lost_its_metadata_is_left_alone():
    there = model(OLD)
    there.there["ed_old"] = replace(OLD, installation=None)
    assert brief(steps(there, wanted())) == ["create snapshot"]  # and its secret is still accepted


def test_health_events_that_were_enabled_by_hand_stay():
    health = "v2.core.health.event_generation_failure.resolved"
    thin = replace(THIN, events=frozenset({"v1.charge.failed", health}))
    assert steps(model(thin), wanted("thin")) == []
    found = steps(model(replace(thin, events=frozenset({health, "v1.charge.expired"}))), wanted("thin"))
    assert [one.events for one in found if isinstance(one, Update)] == [
        ("v1.charge.expired", "v1.charge.failed", health), ("v1.charge.failed", health),
    ]  # fmt: skip


def test_what_another_destination_takes_over_goes_last():
    both = frozenset({"charge.failed", "customer.created"})
    found = steps(model(replace(OLD, events=both)), wanted(), wanted("thin", events=("v1.customer.created",)))
    assert brief(found) == ["create thin", "update ed_old"]
    everything = steps(model(replace(OLD, events=frozenset({"*"}))), wanted())
    assert [one.events for one in everything if isinstance(one, Update)] == [("charge.failed",)]


def others(count: int) -> list[StripeDestination]:
    return [at_stripe(f"we_{number}", api="v1", installation=None, endpoint=None) for number in range(count)]


def test_the_16th_place_is_used_and_a_17th_refused():
    assert brief(steps(model(lost=others(15)), wanted())) == ["create snapshot"]
    full = model(OLD, lost=others(15))
    assert steps(full, wanted()) == []
    plan = planned(full.state(), {"shop": (wanted(api_version="2025-09-30.clover"),)})
    assert "has 16 of the 16 destinations" in plan.problems[0]
    lost = model(lost=[*others(15), OLD])
    assert brief(steps(lost, wanted())) == ["delete ed_old", "create snapshot"]


def test_a_roll_begins_with_a_second_one_of_each():
    both = (wanted(), wanted("thin"))
    there = model(OLD, THIN)
    assert brief(begun_roll(there.state(), "shop", both).steps) == ["create snapshot", "create thin"]
    half = model(OLD, at_stripe("ed_new"), THIN)
    assert brief(begun_roll(half.state(), "shop", both).steps) == ["create thin"]
    assert brief(steps(half, *both)) == ["delete ed_old", "forget ed_old"]
    full = begun_roll(model(OLD, lost=others(15)).state(), "shop", (wanted(),))
    assert "16 of the 16" in full.problems[0]


def test_a_new_name_takes_over_before_the_old_one_goes():
    plan = planned(model(OLD).state(), {"shop": (), "store": (wanted(endpoint="store"),)})
    assert brief(plan.steps) == ["create snapshot", "delete ed_old", "forget ed_old"]


TYPES = ("charge.failed", "charge.succeeded", "customer.created")
WANTED = st.builds(
    lambda payload, events, version, connect: wanted(
        payload, events=tuple(sorted(f"v1.{one}" if payload == "thin" else one for one in events)),
        api_version=version if payload == "snapshot" else None, connect=connect,
    ),
    st.sampled_from(("snapshot", "thin")), st.sets(st.sampled_from(TYPES), min_size=1),
    st.sampled_from(("2026-06-24.dahlia", "2025-09-30.clover")), st.booleans(),
)  # fmt: skip
NEEDS = st.lists(WANTED, max_size=2, unique_by=lambda one: one.payload).map(tuple)
NEEDED = st.fixed_dictionaries(
    {
        name: NEEDS.map(
            lambda ones, name=name: tuple(
                replace(one, endpoint=name, url=f"https://hooks.example.com/webhooks/{name}") for one in ones
            )
        )
        for name in ("shop", "store")
    }
)
FOREIGN = st.lists(st.sampled_from([*others(3), replace(OLD, id="ed_them", installation=THEM)]), unique=True)


@given(st.lists(st.tuples(NEEDED, st.integers(0, 12)), min_size=1, max_size=5), FOREIGN, st.data())
def test_a_crash_anywhere_leaves_working_endpoints(
    applies: list[tuple[Wanted, int]], foreign: list[StripeDestination], data: st.DataObject
):
    """Each apply is cut short after some of its parts, and the next one begins with what is there."""
    there = model(lost=foreign)
    before: set[tuple[str | None, str]] = set()
    needed: Wanted = {}
    for needed, cut in applies:
        reach = {
            (one.url, event.removeprefix("v1.")) for ones in needed.values() for one in ones for event in one.events
        }
        keep, left = before & reach, cut
        plan = planned(there.state(), needed)
        assert plan.problems == ()
        for step in plan.steps:
            for part in there.parts(step):
                if left > 0:
                    left -= 1
                    part()
                    assert keep <= there.covered()
            if left == 0:
                break
        if there.there and data.draw(st.booleans()):
            someone = data.draw(st.sampled_from(sorted(there.there)))
            if there.there[someone].installation == HERE:
                there.there[someone] = replace(there.there[someone], enabled=False)
        before = there.covered()
    whole(there, needed)
    assert {one.id: there.there.get(one.id) for one in foreign} == {one.id: one for one in foreign}


def whole(there: DestinationModel, needed: Wanted) -> None:
    """A last apply ends with exactly what is wanted, and one more has nothing to do."""
    for step in planned(there.state(), needed).steps:
        for part in there.parts(step):
            part()
    assert planned(there.state(), needed).steps == ()
    found = sorted((one.endpoint or "", one.payload or "", one.connect, sorted(one.events)) for one in there.working())
    assert found == sorted(
        (one.endpoint, one.payload, one.connect, sorted(one.events)) for ones in needed.values() for one in ones
    )
    assert {each.id for held in there.recorded.values() for each in held} == {one.id for one in there.working()}
