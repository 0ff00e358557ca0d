"""Pages of names: each name once, in order, whatever the filter."""

from hypothesis import given
from hypothesis import strategies as st

from stripeline.deploy.console.definitions.name_page import NamePage, name_page
from stripeline.deploy.console.index.queries.keyset import PAGE_ROWS

STATES = st.dictionaries(st.text("abc-0", min_size=1, max_size=5), st.sampled_from(["active", "paused"]), max_size=300)


def pages(states: dict[str, str], state: str | None) -> list[NamePage]:
    found = [name_page(states, state)]
    while (after := found[-1].next) is not None:
        found.append(name_page(states, state, after))
    return found


@given(states=STATES, state=st.sampled_from([None, "paused"]))
def test_each_name_is_on_one_page_in_order(states: dict[str, str], state: str | None) -> None:
    found = pages(states, state)
    wanted = sorted(name for name, one in states.items() if state in {None, one})
    assert [name for page in found for name in page.names] == wanted
    assert all(len(page.names) == PAGE_ROWS for page in found[:-1])
    assert found[0].chosen == frozenset(wanted)


def test_a_page_begins_behind_a_name_that_is_gone() -> None:
    assert name_page(dict.fromkeys("abde", "active"), after="c").names == ["d", "e"]


def test_a_full_last_page_leads_nowhere() -> None:
    assert name_page({f"{number:03}": "active" for number in range(PAGE_ROWS)}).next is None


def test_states_are_counted_whichever_is_asked_for() -> None:
    page = name_page({"a": "active", "b": "paused", "c": "active"}, "paused")
    assert (page.names, page.counts) == (["b"], {"active": 2, "paused": 1})
