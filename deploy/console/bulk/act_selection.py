"""Which records a bulk act is about, as a form says it: named one by one, or by filters. Pure.

Invariants:
- Nothing means "all": there are ids, or at least one filter besides the state.
- A filter that was lost on the way is an error, as is one that is not known or has no value. The form names its filters
  twice: each as a field `filter.NAME`, and all of them in the field `filters`.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import Struct

from stripeline.deploy.console.bulk.bulk_act import ACTS_ON, FILTERS, STATES, WORDS, BulkAct

MAX_ITEMS: Final = 10_000
MAX_VALUE: Final = 500
_FILTER: Final = "filter."
_FIELDS: Final = frozenset({"act", "id", "filters", "workflow", "as_started"})


class SelectionError(ValueError):
    """A form that does not say what the act is about: what is wrong with it."""


class ActSelection(Struct, frozen=True, kw_only=True):
    """What an act is about. workflow: whose runs are started. as_started: retry with the steps of the run's start."""

    act: BulkAct
    ids: tuple[str, ...] = ()
    filters: Mapping[str, str] = {}
    workflow: str | None = None
    as_started: bool = False

    @property
    def words(self) -> str:
        """`code PAYMENT_REQUIRED, since 2h`."""
        return ", ".join(f"{name} {value}" for name, value in self.filters.items())


def selection_of(form: Mapping[str, Sequence[str]]) -> ActSelection:
    """Raises SelectionError."""
    act = _act(form)
    unknown = [name for name in form if name not in _FIELDS and not name.startswith(_FILTER)]
    if unknown:
        raise SelectionError(f"The form has a field that is not known: {unknown[0]!r}.")
    ids, filters = _ids(form), _filters(form, act)
    if ids and filters:
        raise SelectionError("The form has both ids and filters: it must be one of the two.")
    if not ids and not filters.keys() - STATES:
        raise SelectionError(
            f"Nothing was chosen, and that never means all {WORDS[act].many}. Choose some of the list, or filter it by"
            " more than its state."
        )
    workflow = _one(form, "workflow")
    if (act is BulkAct.START) != (workflow is not None):
        raise SelectionError("A start names its workflow, and nothing else does.")
    as_started = _one(form, "as_started")
    if as_started not in {None, "yes"} or (as_started and act is not BulkAct.RETRY):
        raise SelectionError("as_started is `yes` on a retry, or left out.")
    return ActSelection(act=act, ids=ids, filters=filters, workflow=workflow, as_started=as_started is not None)


def act_filters(query: Mapping[str, str], act: BulkAct) -> dict[str, str]:
    """The filters of a list, as the form of an act names them; none where the act could not be chosen by them."""
    found = {name: value for name in sorted(FILTERS[act]) if (value := query.get(name, "").strip())}
    states = [found[name] for name in STATES & found.keys()]
    fits = found.keys() - STATES and all(state in ACTS_ON.get(act, ()) for state in states)
    return found if fits and all(len(value) <= MAX_VALUE for value in found.values()) else {}


def offers(query: Mapping[str, str], acts: Sequence[BulkAct]) -> list[tuple[str, str, Mapping[str, str]]]:
    """What a list offers: each act, its verb, and its filters where it may be done to all that match."""
    return [(act.value, WORDS[act].does, act_filters(query, act)) for act in acts]


def _act(form: Mapping[str, Sequence[str]]) -> BulkAct:
    text = _one(form, "act")
    try:
        return BulkAct(text or "")
    except ValueError:
        raise SelectionError(f"There is no act {text!r}.") from None


def _one(form: Mapping[str, Sequence[str]], name: str) -> str | None:
    found = form.get(name, ())
    if len(found) > 1:
        raise SelectionError(f"{name} is there twice.")
    value = found[0].strip() if found else ""
    if len(value) > MAX_VALUE:
        raise SelectionError(f"{name} is longer than {MAX_VALUE} characters.")
    return value or None


def _ids(form: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    ids = tuple(dict.fromkeys(form.get("id", ())))
    if len(ids) > MAX_ITEMS:
        raise SelectionError(f"More than {MAX_ITEMS:,} were chosen.")
    if any(not one.strip() or len(one) > MAX_VALUE for one in ids):
        raise SelectionError("One of the ids is empty, or too long to be one.")
    return ids


def _filters(form: Mapping[str, Sequence[str]], act: BulkAct) -> dict[str, str]:
    named = set((_one(form, "filters") or "").split(",")) - {""}
    names = {name.removeprefix(_FILTER) for name in form if name.startswith(_FILTER)}
    for name in sorted(named | names):
        if name not in FILTERS[act]:
            raise SelectionError(_unknown(name, act))
        if name not in named or name not in names:
            raise SelectionError(f"The filter {name} was lost on the way. Go back to the list, and filter it again.")
    found = {}
    for name in sorted(names):
        value = _one(form, f"{_FILTER}{name}")
        if value is None:
            raise SelectionError(f"The filter {name} has no value.")
        found[name] = value
    for name in STATES & found.keys():
        if found[name] not in ACTS_ON.get(act, ()):
            raise SelectionError(
                f"{WORDS[act].does} is for {' and '.join(sorted(ACTS_ON[act]))} ones, not {found[name]}."
            )
    return found


def _unknown(name: str, act: BulkAct) -> str:
    known = ", ".join(sorted(FILTERS[act]))
    return f"There is no filter {name!r}: {f'known are {known}' if known else 'this act takes ids only'}."
