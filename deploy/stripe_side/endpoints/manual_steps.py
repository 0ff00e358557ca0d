"""What a person does at Stripe where the key may not: the steps of a plan in words for Stripe's dashboard. Pure."""

from collections.abc import Iterable, Iterator

from stripeline.deploy.stripe_side.endpoints.endpoint_plan import Create, Delete, Enable, Forget, Step, Update


def manual_steps(steps: Iterable[Step]) -> Iterator[str]:
    """A line each, for a page of the dashboard; the secret of a new destination goes into the file."""
    for step in steps:
        match step:
            case Create(wanted=wanted):
                version = f", API version {wanted.api_version}" if wanted.api_version else ""
                accounts = "connected accounts" if wanted.connect else "your account"
                yield (
                    f"Add a destination: events from {accounts}, payload style {wanted.payload}{version}, endpoint URL"
                    f" {wanted.url}, events {', '.join(wanted.events)}."
                )
                yield (
                    f"Give its signing secret to endpoint {wanted.endpoint} in your file (signing_secrets), and apply"
                    " the file."
                )
            case Update(at=at, url=url, events=events):
                parts = [f"its endpoint URL to {url}"] if url else []
                parts += [f"its events to {', '.join(events)}"] if events else []
                yield f"Change destination {at.id}: set {' and '.join(parts)}."
            case Enable(at=at):
                yield f"Enable destination {at.id}."
            case Delete(at=at, why=why):
                yield f"Delete destination {at.id}: {why}."
            case Forget():
                pass
