"""Decides what a path asks for, and what a restricted key must have for it. Executes nothing.

`/v1/{resource}`, `/v1/{resource}/search`, `/v1/{resource}/{id}`, `/v1/{resource}/{id}/{nested}/{id}`, `/v1/account`,
`/v1/accounts`, `/v1/accounts/{id}`, and the collections of `SERVED`.
"""

from dataclasses import dataclass

from stripeline.deploy.sandbox.accounts import ACCOUNT_PERMISSION
from stripeline.deploy.sandbox.api.params import judge
from stripeline.deploy.sandbox.api.resources import ACCOUNT, NESTED, RESOURCES, SERVED, Collection, Resource
from stripeline.deploy.sandbox.api.values import Params, SandboxAnswer

ACCOUNTS = "/v1/accounts/"
READS = frozenset({"retrieve", "list", "search"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    resource: Collection
    kind: str  # create | retrieve | list | search | account, or what else can be done to a collection
    object_id: str | None = None

    @property
    def permission(self) -> str:
        """What a restricted key must have, as Stripe names it behind `rak_`."""
        if self.kind == "account":
            return ACCOUNT_PERMISSION
        return f"{self.resource.right or self.resource.object}_{'read' if self.kind in READS else 'write'}"


@dataclass(frozen=True, slots=True, kw_only=True)
class AdmittedRequest:
    """An admitted request."""

    route: Route
    params: Params
    account: str
    scope: str  # the account in one mode
    livemode: bool
    idempotency_key: str | None
    request_id: str


def account_named(path: str) -> str | None:
    """The account of `/v1/accounts/{id}`."""
    named = path.removeprefix(ACCOUNTS)
    return named if path != named and named and "/" not in named else None


def route_of(method: str, path: str) -> Route | None:
    if method == "GET" and (path == "/v1/account" or account_named(path)):
        return Route(resource=ACCOUNT, kind="account")
    if method == "GET" and path == ACCOUNT.url:
        return Route(resource=ACCOUNT, kind="list")
    for collection in SERVED:
        if path == collection.url or path.startswith(collection.url + "/"):
            return _route_served(collection, method, path[len(collection.url) + 1 :])
    if not path.startswith("/v1/"):
        return None
    name, _, tail = path.removeprefix("/v1/").partition("/")
    if "/" in tail:
        return _route_nested(method, name, tail)
    resource = RESOURCES.get(name)
    return None if resource is None else _route_to(resource, method, tail)


def _route_served(collection: Collection, method: str, tail: str) -> Route | None:
    """`POST {url}/{id}/{verb}` where the collection has such a verb."""
    object_id, _, verb = tail.partition("/")
    match method, object_id, verb:
        case "GET", "", "":
            kind = "list"
        case "GET", _, "":
            kind = "retrieve"
        case "POST", "", "":
            kind = "create"
        case "POST", _, "":
            kind = "update"
        case "DELETE", _, "":
            kind = "delete"
        case "POST", _, _:
            kind = verb
        case _:
            return None
    if kind not in READS and kind not in collection.writes:
        return None
    return Route(resource=collection, kind=kind, object_id=object_id or None)


def _route_nested(method: str, name: str, tail: str) -> Route | None:
    """`/v1/customers/{id}/tax_ids/{id}`, by its own id; `/v1/customers/{id}/discount`, by its parent's."""
    parent, path, *ids = tail.split("/")
    nested = NESTED.get((name, path))
    if method != "GET" or nested is None or len(ids) != (not nested.singleton):
        return None
    object_id = singleton_id(parent, nested) if nested.singleton else ids[0]
    return Route(resource=nested, kind="retrieve", object_id=object_id)


def singleton_id(parent: str, resource: Resource) -> str:
    """Under which the store has what is read by its parent's id."""
    return f"{parent}/{resource.path}"


def _route_to(resource: Resource, method: str, tail: str) -> Route | None:
    match method, tail:
        case "POST", "":
            return Route(resource=resource, kind="create") if resource.known is not None else None
        case "GET", "":
            return Route(resource=resource, kind="list")
        case "GET", "search":
            return Route(resource=resource, kind="search") if resource.search else None
        case "GET", _:
            return Route(resource=resource, kind="retrieve", object_id=tail)
        case _:
            return None


def refusal(order: AdmittedRequest) -> SandboxAnswer | None:
    """What Stripe finds wrong before a request executes. Reads judge their own parameters."""
    resource = order.route.resource
    if order.route.kind != "create" or not isinstance(resource, Resource) or resource.known is None:
        return None
    return judge(order.params, resource.known, resource.required)
