"""A typing mistake is a letter or two; another word is none."""

import pytest

from stripeline.deploy.definitions.nearest import listed, nearest

FIELDS = ("email", "data", "application_fee_amount", "customer.created", "id")


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("emial", "email"),
        ("emai", "email"),
        ("dta", "data"),
        ("dataa", "data"),
        ("customer.craeted", "customer.created"),
        ("custmer.craeted", "customer.created"),
        ("application_fee_percent", None),
        ("ix", "id"),
        ("name", None),
        ("email", None),
    ],
)
def test_what_was_probably_meant(name: str, found: str | None) -> None:
    assert nearest(name, FIELDS) == found


def test_nothing_is_near_where_nothing_is() -> None:
    assert nearest("data", ()) is None


def test_a_list_in_a_sentence_is_cut() -> None:
    assert listed(["a", "b"]) == "a, b"
    assert listed(str(number) for number in range(14)).endswith("10, 11 and 2 more")
