"""What a form must say of the records that an act is about, and that it never means all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stripeline.deploy.console.bulk.act_selection import MAX_ITEMS, SelectionError, act_filters, selection_of
from stripeline.deploy.console.bulk.bulk_act import FILTERS, STATES, BulkAct


def form(**fields: str | list[str]) -> dict[str, list[str]]:
    named = {name.replace("__", "."): value for name, value in fields.items()}
    return {name: [value] if isinstance(value, str) else value for name, value in named.items()}


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"act": "replay"}, "that never means all dead letters"),
        ({"act": "cancel"}, "that never means all runs"),
        ({"act": "replay", "filters": "state", "filter__state": "open"}, "that never means all dead letters"),
        ({"act": "retry", "filters": "status", "filter__status": "stopped"}, "that never means all runs"),
        ({"act": "replay", "filters": "state,code", "filter__state": "open"}, "The filter code was lost on the way"),
        ({"act": "replay", "filters": "state", "filter__state": "open", "filter__code": "X"}, "code was lost"),
        ({"act": "replay", "filters": "cod", "filter__cod": "X"}, "There is no filter 'cod'"),
        ({"act": "replay", "filters": "code", "filter__code": " "}, "The filter code has no value"),
        ({"act": "replay", "filters": "workflow", "filter__workflow": "w"}, "There is no filter 'workflow'"),
        ({"act": "erase", "filters": "customer", "filter__customer": "cus_1"}, "this act takes ids only"),
        ({"act": "replay", "code": "X", "id": "1/2"}, "a field that is not known: 'code'"),
        ({"act": "replay", "id": "1/2", "filters": "code", "filter__code": "X"}, "both ids and filters"),
        (
            {"act": "replay", "filters": "state,code", "filter__state": "dismissed", "filter__code": "X"},
            "for open ones, not dismissed",
        ),
        ({"act": "replay", "filters": "code", "filter__code": ["X", "Y"]}, "filter.code is there twice"),
        ({"act": "burn", "id": "1/2"}, "There is no act 'burn'"),
        ({"id": "1/2"}, "There is no act None"),
        ({"act": "start", "id": "stripe.payment-event/1/2"}, "A start names its workflow"),
        ({"act": "replay", "id": "1/2", "workflow": "w"}, "A start names its workflow"),
        ({"act": "cancel", "id": "r", "as_started": "yes"}, "as_started"),
        ({"act": "replay", "id": "x" * 501}, "too long"),
        ({"act": "replay", "id": ["1/2", " "]}, "is empty"),
        ({"act": "dismiss", "id": [f"1/{number}" for number in range(MAX_ITEMS + 1)]}, "More than 10,000"),
    ],
)
def test_a_form_that_is_not_exact_is_refused(fields: dict[str, str | list[str]], words: str) -> None:
    with pytest.raises(SelectionError) as refused:
        selection_of(form(**fields))
    assert words in str(refused.value)


def test_a_form_names_ids_once() -> None:
    assert selection_of(form(act="replay", id=["1/2", "1/2", "1/3"])).ids == ("1/2", "1/3")


QUERIES = st.dictionaries(
    st.sampled_from(sorted({name for names in FILTERS.values() for name in names})), st.text(max_size=8)
)


@given(act=st.sampled_from(list(BulkAct)), query=QUERIES)
def test_what_a_list_offers_is_what_its_form_says(act: BulkAct, query: dict[str, str]) -> None:
    offered = act_filters(query, act)
    if offered:
        fields = {f"filter.{name}": [value] for name, value in offered.items()}
        selection = selection_of({"act": [act.value], "filters": [",".join(offered)], **fields})
        assert selection.filters == offered
        assert selection.filters.keys() - STATES


@given(
    act=st.sampled_from(list(BulkAct)), query=QUERIES,
    lost=st.sets(st.sampled_from(sorted({name for names in FILTERS.values() for name in names})), min_size=1),
)  # fmt: skip
def test_a_lost_filter_never_widens_an_act(act: BulkAct, query: dict[str, str], lost: set[str]) -> None:
    offered = act_filters(query, act)
    left = {f"filter.{name}": [value] for name, value in offered.items() if name not in lost}
    if offered.keys() & lost:
        with pytest.raises(SelectionError):
            selection_of({"act": [act.value], "filters": [",".join(offered)], **left})
