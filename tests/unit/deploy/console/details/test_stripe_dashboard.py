"""Links to Stripe's dashboard, for ids of a known shape only."""

import pytest

from stripeline.contracts.vocabulary import Code, RunCode
from stripeline.deploy.console.details.code_words import WORDS, words_of
from stripeline.deploy.console.details.stripe_dashboard import dashboard_address

DASHBOARD = "https://dashboard.stripe.com"


@pytest.mark.parametrize(
    ("object_id", "livemode", "account", "path"),
    [
        ("pi_3Abc", True, None, "/payments/pi_3Abc"),
        ("pi_3Abc", False, None, "/test/payments/pi_3Abc"),
        ("cus_Abc", False, "acct_1Abc", "/acct_1Abc/test/customers/cus_Abc"),
        ("req_Abc", True, None, "/logs/req_Abc"),
    ],
)
def test_an_object_has_its_page(object_id: str, livemode: bool, account: str | None, path: str) -> None:
    assert dashboard_address(object_id, livemode=livemode, account=account) == DASHBOARD + path


@pytest.mark.parametrize(
    "text",
    ["pi_../../x", "pi_3Abc?x=1", "pi_3Abc#x", "pi_3Abc\n", "javascript:x", "xx_3Abc", "pi_", "", None, "pi_3\uff21bc"],
)
def test_any_other_text_has_no_page(text: str | None) -> None:
    assert dashboard_address(text, livemode=True) is None


def test_an_unknown_mode_or_a_wrong_account_has_no_page() -> None:
    assert dashboard_address("pi_3Abc", livemode=None) is None
    assert dashboard_address("pi_3Abc", livemode=True, account="acct_1/../..") is None


def test_every_code_has_words() -> None:
    assert set(WORDS) == {*Code, *RunCode}
    assert words_of("NEWER") == words_of(None) == ""
