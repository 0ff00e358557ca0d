"""Answers Stripe's search: reads the query (docs.stripe.com/search#search-query-language) and picks the rows.

The part of the language that a client needs to find its own objects: clauses joined by AND, `-` for not, exact match
with `:`, and `> >= < <=` on numbers. An object is found only once the index delay has passed, as at Stripe, where the
index trails by up to a minute and more.
"""

import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from stripeline.deploy.sandbox.api.listing import limit_of, page_answer
from stripeline.deploy.sandbox.api.resources import Resource
from stripeline.deploy.sandbox.api.stripe_errors import invalid, unknown_parameter
from stripeline.deploy.sandbox.api.values import Params, SandboxAnswer
from stripeline.deploy.sandbox.store import Row, Store

QUOTED = r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\""
CLAUSE = re.compile(
    rf"\s*(?P<not>-)?(?P<field>[a-z_]+)(?:\[(?P<key>{QUOTED})\])?\s*(?P<op>:|>=|<=|>|<)\s*(?P<value>{QUOTED}|-?\d+|null)"
    r"\s*(?P<join>AND\s|$)",
    re.IGNORECASE,
)
COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    ":": operator.eq,
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Clause:
    negated: bool
    field: str
    key: str | None  # of metadata
    op: str
    value: str | int | None

    def holds(self, body: Mapping[str, Any]) -> bool:
        there = body["metadata"].get(self.key) if self.field == "metadata" else body.get(self.field)
        try:
            return COMPARE[self.op](there, self.value) is not self.negated
        except TypeError:  # a comparison of text with a number, or with a field that is null
            return self.negated


def search_answer(
    resource: Resource, store: Store, account: str, params: Params, indexed_until_ms: int
) -> SandboxAnswer:
    for name in params:
        if name not in ("query", "limit", "page", "expand"):
            return unknown_parameter(name)
    limit, clauses = limit_of(params), parse(str(params.get("query", "")), resource.search)
    if isinstance(limit, SandboxAnswer):
        return limit
    if isinstance(clauses, str):
        return invalid(f"We were unable to parse your search query. {clauses}", param="query")
    start = int(page) if (page := str(params.get("page", "0"))).isdecimal() else 0
    rows = _candidates(resource, store, account, clauses)
    found = [row for row in rows if row.created_ms <= indexed_until_ms and _all_hold(clauses, row)][::-1]
    return _answer(resource, found, start, start + limit)


def parse(query: str, fields: frozenset[str]) -> list[Clause] | str:
    """The clauses, or a sentence that says what is wrong."""
    clauses: list[Clause] = []
    position, joined = 0, True
    while joined:
        found = CLAUSE.match(query, position)
        if found is None:
            return f"Expected field:'value' clauses joined by AND, at character {position}."
        if found["field"] not in fields or (found["key"] is None) is (found["field"] == "metadata"):
            return f"Field `{found['field']}` is an unsupported search field for this resource."
        clauses.append(_clause(found))
        position, joined = found.end(), bool(found["join"])
    return clauses


def _clause(found: re.Match[str]) -> Clause:
    return Clause(
        negated=found["not"] is not None,
        field=found["field"],
        key=None if found["key"] is None else str(_literal(found["key"])),
        op=found["op"],
        value=_literal(found["value"]),
    )


def _literal(raw: str) -> str | int | None:
    if raw[0] in "'\"":
        return re.sub(r"\\(.)", r"\1", raw[1:-1])
    return None if raw.lower() == "null" else int(raw)


def _candidates(resource: Resource, store: Store, account: str, clauses: Iterable[Clause]) -> Sequence[Row]:
    for clause in clauses:
        if clause.key is not None and clause.op == ":" and isinstance(clause.value, str) and not clause.negated:
            return store.with_metadata(account, resource.object, clause.key, clause.value)
    return store.rows(account, resource.object)


def _all_hold(clauses: Iterable[Clause], row: Row) -> bool:
    body = orjson.loads(row.body)
    return all(clause.holds(body) for clause in clauses)


def _answer(resource: Resource, found: Sequence[Row], start: int, end: int) -> SandboxAnswer:
    more = len(found) > end
    extra = b',"next_page":' + orjson.dumps(str(end) if more else None)
    bodies = [row.body for row in found[start:end]]
    return page_answer("search_result", f"{resource.url}/search", bodies, has_more=more, extra=extra)
