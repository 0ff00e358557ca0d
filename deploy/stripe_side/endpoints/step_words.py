"""A step in words, and as a row for a pipeline. Pure; what was written at Stripe is shown as one harmless line."""

from typing import Any, assert_never

from stripeline.contracts.shown_text import shown
from stripeline.deploy.stripe_side.endpoints.endpoint_plan import Create, Delete, Enable, Forget, Step, Update


def step_words(step: Step) -> str:
    """`+ endpoint shop: create a destination of snapshot events`."""
    match step:
        case Create(wanted=wanted):
            version = f", API version {wanted.api_version}" if wanted.api_version else ""
            of = "connected accounts' " if wanted.connect else ""
            return (
                f"+ endpoint {wanted.endpoint}: create a destination of {of}{wanted.payload} events at"
                f" {wanted.url}{version}, {len(wanted.events)} types"
            )
        case Update(at=at, url=url, events=events):
            return f"~ endpoint {at.endpoint}: {at.id}: {'; '.join(_changes(at.events, url, events))}"
        case Enable(at=at):
            why = f", which is disabled ({at.why})" if at.why else ""
            return f"~ endpoint {at.endpoint}: {at.id}: enable it{why}"
        case Delete(at=at, why=why):
            return f"- endpoint {shown(at.endpoint or '', 100)}: {at.id}: delete it, since {why}"
        case Forget(endpoint=endpoint, id=gone):
            return f"- endpoint {endpoint}: {gone}: remove its secret here"
        case _:
            assert_never(step)


def _changes(before: frozenset[str], url: str | None, events: tuple[str, ...] | None) -> list[str]:
    words = [f"url → {url}"] if url else []
    if events is not None:
        more, fewer = sorted(set(events) - before), sorted(before - set(events))
        words += [f"also send {', '.join(more)}"] if more else []
        words += [f"send no more {', '.join(shown(one, 80) for one in fewer)}"] if fewer else []
    return words


def step_row(step: Step) -> dict[str, Any]:
    """For a pipeline."""
    match step:
        case Create(wanted=wanted):
            return {"step": "create", "endpoint": wanted.endpoint, "id": None, "why": None}
        case Update(at=at) | Enable(at=at):
            return {"step": type(step).__name__.lower(), "endpoint": at.endpoint, "id": at.id, "why": None}
        case Delete(at=at, why=why):
            return {"step": "delete", "endpoint": at.endpoint, "id": at.id, "why": why}
        case Forget(endpoint=endpoint, id=gone):
            return {"step": "forget", "endpoint": endpoint, "id": gone, "why": None}
        case _:
            assert_never(step)


def endpoint_of(step: Step) -> str:
    """The endpoint that a step is for."""
    match step:
        case Create(wanted=wanted):
            return wanted.endpoint
        case Update(at=at) | Enable(at=at) | Delete(at=at):
            return at.endpoint or ""
        case Forget(endpoint=endpoint):
            return endpoint
        case _:
            assert_never(step)
