"""Addresses and links of ids that others wrote."""

from urllib.parse import unquote, urlsplit

import pytest

from stripeline.deploy.console.addresses import command_address, command_link, event_address, run_address, run_link

IDS = ("a/b", "a/../b", "a b", 'a"b', "a'b", "a?b#c", "a%2Fb", "a\nb", "a\u202eb", "<b>", "~", "日本")


@pytest.mark.parametrize("some_id", IDS)
def test_an_id_is_one_segment_of_its_address(some_id: str) -> None:
    for address in (run_address(some_id), event_address(some_id), command_address(3, some_id)):
        split = urlsplit(address)
        assert split.query == ""
        assert split.fragment == ""
        assert unquote(split.path.rsplit("/", 1)[1]) == some_id


@pytest.mark.parametrize("some_id", [".", ".."])
def test_an_id_of_dots_is_in_the_query(some_id: str) -> None:
    assert command_address(3, some_id) == f"/commands/3?id={some_id}"
    assert event_address(some_id) == f"/events?event={some_id}"


def test_an_id_with_a_secret_has_no_link() -> None:
    assert "sk_live_abcdefghijklmnop" not in command_link("order-sk_live_abcdefghijklmnop", 1)
    assert "href" not in command_link("order-sk_live_abcdefghijklmnop", 1)


def test_a_link_shows_invisible_characters_as_escapes() -> None:
    assert run_link("a\u202eb\n<i>") == '<a href="/runs/a%E2%80%AEb%0A%3Ci%3E">a\\u202eb\\n&lt;i&gt;</a>'


def test_what_is_absent_is_no_link() -> None:
    assert run_link(None) == ""
