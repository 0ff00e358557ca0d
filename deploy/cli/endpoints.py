"""`stripeline endpoints`: Stripe's side of the endpoints: planned, made, rolled and checked through Stripe's API."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from stripeline.contracts.vocabulary import AuditedAct
from stripeline.deploy.cli.registry import Entry, Panel
from stripeline.deploy.cli.terminal import output
from stripeline.deploy.cli.terminal.acting_user import signed
from stripeline.deploy.cli.terminal.consent import require_consent
from stripeline.deploy.cli.terminal.options import kafka, settings
from stripeline.deploy.failure import FailureError
from stripeline.deploy.operations.acts.audit import Signed
from stripeline.deploy.operations.master_keys.rotation import require_holders
from stripeline.deploy.runtime.stripe_client import stripe_client
from stripeline.deploy.stripe_side.endpoints.endpoint_plan import Create, EndpointPlan, Step, begun_roll
from stripeline.deploy.stripe_side.endpoints.endpoint_troubles import endpoint_troubles
from stripeline.deploy.stripe_side.endpoints.endpoint_work import EndpointWork, NoRightError, record_acts
from stripeline.deploy.stripe_side.endpoints.installation_plans import AccountPlan, unreachable
from stripeline.deploy.stripe_side.endpoints.manual_steps import manual_steps
from stripeline.deploy.stripe_side.endpoints.plan_rows import plan_row
from stripeline.deploy.stripe_side.endpoints.secret_roll import until_verified
from stripeline.deploy.stripe_side.endpoints.step_words import endpoint_of, step_words
from stripeline.deploy.stripe_side.endpoints.stripe_look import StripeLook, look
from stripeline.deploy.stripe_side.endpoints.wanted_destinations import wanted_destinations
from stripeline.workers.kafka.control_table import publish, read_all
from stripeline.workers.secrets.vault import Vault
from stripeline.workers.stripe.api import StripeApi

app = typer.Typer(help="Make and keep the endpoints' destinations at Stripe.", no_args_is_help=True)

AsObject = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask. Without a terminal, changes need it.")]
Why = Annotated[str, typer.Option(help="The reason. It is recorded for those who ask.")]
Ordered = Sequence[tuple[str, Step]]
"""Steps with the connection whose key does each."""


@app.command("plan")
def plan(*, as_json: AsObject = False) -> None:
    """Show what the endpoints of the file need at Stripe, and what `endpoints apply` would do there. Changes nothing.

    A destination at Stripe is known as ours by its metadata; others are not touched. It sends the exact event types
    that the workflows of the endpoint's triggers ask for, and all types of a family where no workflow is there or asks
    for less. Its API version is pinned. `--json` is for those who make destinations with Terraform.

    ```
    stripeline endpoints plan
    stripeline endpoints plan --json | jq '.destinations[].events'
    ```
    """
    output.run(_planned(as_json=as_json))


@app.command("apply")
def apply(*, yes: Yes = False, why: Why = "") -> None:
    """Make, change and delete destinations at Stripe until they are what the endpoints of the file need.

    A new destination's signing secret is encrypted and stored before anything that it replaces is deleted. A run that
    was cut short anywhere can be repeated: it goes on from what is there. A destination of ours whose secret was lost
    is deleted and made again.

    The connection's key needs the right to write webhook endpoints. Without it the steps for Stripe's dashboard are
    printed. What Stripe still retries at a destination that is replaced is not sent again; it is found and published
    as a missed event.

    ```
    stripeline endpoints apply
    stripeline endpoints apply --yes --why "new shop"
    ```
    """
    output.run(_applied(yes=yes, act=signed(why)))


@app.command("roll")
def roll(
    name: Annotated[str, typer.Argument(help="The endpoint.")],
    *,
    now: Annotated[
        bool, typer.Option("--now", help="Do not wait until the new secret has verified a delivery.")
    ] = False,
    wait: Annotated[float, typer.Option(min=1, max=86_400, help="Seconds to wait for that.")] = 600,
    yes: Yes = False,
    why: Why = "",
) -> None:
    """Replace an endpoint's signing secrets: make second destinations, wait until theirs are used, delete the first.

    Deliveries are taken with both secrets meanwhile, and an event that comes twice starts one run. The new destinations
    are pinged, and ingest reports when a delivery was verified with their secrets. Where that does not happen in time,
    both stay, and the same command goes on. Needs a free place among the 16 destinations of the account.

    ```
    stripeline endpoints roll acme --why "yearly"
    ```
    """
    output.run(_rolled(name, None if now else wait, yes=yes, act=signed(why)))


@app.command("check")
def check(*, as_json: AsObject = False) -> None:
    """Look for what is wrong with the endpoints at Stripe. Exits with 1 where something is.

    Found are: a destination that is missing, or disabled (with Stripe's reason); a type that a workflow asks for and
    that is not sent; another API version; another address; two destinations that send the same events; a destination
    of ours whose secret was lost. The executor looks every 15 minutes, and `status` shows it.

    ```
    stripeline endpoints check
    ```
    """
    found = output.run(_looked_at())
    troubles = endpoint_troubles(found.definitions, found.installation, found.looked)
    if as_json:
        rows = [{"endpoint": one.endpoint, "kind": one.kind, "text": one.text} for one in troubles]
        output.print_json({"endpoints": sorted(found.definitions.endpoints), "troubles": rows})
    for one in troubles if not as_json else ():
        output.say(f"endpoint {one.endpoint}: {one.text}")
    if not troubles and not as_json:
        output.note(f"{len(found.definitions.endpoints)} endpoints are as they should be at Stripe.")
    raise typer.Exit(1 if troubles else 0)


async def _planned(*, as_json: bool) -> None:
    found = await _looked_at()
    plans = found.plans()
    problems = [*_problems(found, plans)]
    if as_json:
        output.print_json(plan_row(found.definitions, plans, problems))
    else:
        for step in (step for one in plans for step in one.plan.steps):
            output.say(step_words(step))
        if not problems and not any(one.plan.steps for one in plans):
            output.note("Nothing to do: the destinations at Stripe are what the endpoints need.")
        for words in (*problems, *unreachable(found.definitions)):
            output.note(words)
        _show_manual(found)
    raise typer.Exit(1 if problems else 0)


async def _applied(*, yes: bool, act: Signed) -> None:
    async with _stripe() as stripe:
        found = await _look(stripe)
        plans = found.plans()
        _require_no_problems(found, plans)
        steps = _ordered(plans)
        if not steps:
            output.note("Nothing to do: the destinations at Stripe are what the endpoints need.")
            return
        require_consent(f"This changes Stripe in {len(steps)} steps:", (step_words(one) for _, one in steps), yes=yes)
        await _carry_out(found, steps, AuditedAct.MAKE_DESTINATIONS, act)


async def _rolled(name: str, wait_s: float | None, *, yes: bool, act: Signed) -> None:
    async with _stripe() as stripe:
        found = await _look(stripe)
        connection, begun, new = _beginning(found, name)
        steps: Ordered = [(connection, step) for step in begun.steps]
        waits = "at once (--now)" if wait_s is None else "once a delivery was verified with the new secret"
        means = [*(step_words(one) for _, one in steps), f"- endpoint {name}: delete the first ones {waits}"]
        require_consent(f"This rolls the signing secrets of endpoint {name}:", means, yes=yes)
        await _carry_out(found, steps, AuditedAct.MAKE_DESTINATIONS, act, also={name})
        found = await _look(stripe)
        connection, _, new = _beginning(found, name)
        if wait_s is not None:
            late = await until_verified(settings().topics, kafka(), found.calls[connection], new, wait_s, output.say)
            if late:
                raise FailureError(
                    f"No delivery was verified with the secret of {', '.join(late)} within {wait_s:g} s: is ingest"
                    f" reached at its URL? Both secrets are accepted, and nothing was deleted. `stripeline endpoints"
                    f" roll {name}` goes on; with --now it does not wait."
                )
        plans = [one for one in found.plans() if one.connection == connection]
        gone = [(connection, step) for one in plans for step in one.plan.gone if endpoint_of(step) == name]
        await _carry_out(found, gone, None, act)


def _beginning(found: StripeLook, name: str) -> tuple[str, EndpointPlan, list[Any]]:
    """The endpoint's connection, how its roll begins, and its newest destinations. Raises FailureError."""
    endpoint = found.definitions.endpoints.get(name)
    if endpoint is None:
        raise FailureError(f"There is no endpoint {name!r}. `stripeline get endpoints` lists those that are there.")
    plans = {one.connection: one for one in found.plans()}
    _require_no_problems(found, list(plans.values()))
    own = plans[endpoint.connection]
    if any(endpoint_of(step) == name for step in own.plan.made):
        raise FailureError(
            f"Endpoint {name} is not yet what it should be at Stripe. Run `stripeline endpoints apply` first."
        )
    begun = begun_roll(own.state, name, own.wanted[name])
    if begun.problems:
        raise FailureError(f"Nothing was changed: {'; '.join(begun.problems)}.")
    newest = {one.payload: one for one in own.state.known(name)}
    return endpoint.connection, begun, list(newest.values())


async def _carry_out(
    found: StripeLook, steps: Ordered, kind: AuditedAct | None, act: Signed, *, also: Iterable[str] = ()
) -> None:
    """Raises FailureError. Where the key may not do it, what is left is printed for Stripe's dashboard."""
    values = settings()
    vault = Vault.from_ring(values.master_keys)
    if any(isinstance(step, Create) for _, step in steps):
        await require_holders(values.topics, kafka(), {vault.key_ids[0]: {"endpoint"}})
    work = EndpointWork(
        vault=vault, installation=found.installation, calls=found.calls, say=output.say,
        read=lambda: read_all(values.topics.control, kafka()),
        write=lambda changes: publish(values.topics.control, kafka(), changes),
    )  # fmt: skip
    if kind is not None:
        await record_acts(values.topics, kafka(), kind, {*also, *(endpoint_of(step) for _, step in steps)}, act)
    for position, (connection, step) in enumerate(steps):
        with _said_by_hand([one for _, one in steps[position:]]):
            await work.carry_out(connection, step)


@contextmanager
def _said_by_hand(left: Sequence[Step]) -> Iterator[None]:
    try:
        yield
    except NoRightError as error:
        _say_by_hand(left)
        raise FailureError(f"{error} The steps above are for Stripe's dashboard; or give the key that right.") from None


def _say_by_hand(left: Iterable[Step]) -> None:
    output.note("At Stripe, under Developers → Webhooks:")
    for number, line in enumerate(manual_steps(left), start=1):
        output.note(f"  {number}. {line}")


def _ordered(plans: Iterable[AccountPlan]) -> Ordered:
    """First all that adds, in each account; then all that takes away."""
    plans = list(plans)
    made = [(one.connection, step) for one in plans for step in one.plan.made]
    return [*made, *((one.connection, step) for one in plans for step in one.plan.gone)]


def _problems(found: StripeLook, plans: Iterable[AccountPlan]) -> Iterator[str]:
    for name, failed in found.failed().items():
        right = " The key may not read webhook endpoints." if failed.right else ""
        yield f"The destinations of connection {name} can't be listed: {failed.why}.{right}"
    for one in plans:
        yield from one.plan.problems


def _require_no_problems(found: StripeLook, plans: Sequence[AccountPlan]) -> None:
    problems = list(_problems(found, plans))
    if problems:
        _show_manual(found)
        raise FailureError(f"Nothing was changed. {' '.join(problems)}")


def _show_manual(found: StripeLook) -> None:
    """What the endpoints of connections need whose key may not look."""
    closed = {name for name, failed in found.failed().items() if failed.right}
    wanted = wanted_destinations(found.definitions)
    needed = [
        Create(wanted=one)
        for name, endpoint in found.definitions.endpoints.items()
        if endpoint.connection in closed
        for one in wanted.get(name, ())
    ]
    if needed:
        _say_by_hand(needed)


async def _looked_at() -> StripeLook:
    async with _stripe() as stripe:
        return await _look(stripe)


def _stripe() -> StripeApi:
    return stripe_client(settings())


async def _look(stripe: StripeApi) -> StripeLook:
    values = settings()
    return await look(values.topics, kafka(), Vault.from_ring(values.master_keys), stripe)


COMMANDS = (Entry(name="endpoints", does=app, panel=Panel.SET_UP, place=6),)
