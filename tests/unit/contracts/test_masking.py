"""What counts as a secret in a text."""

import pytest

from stripeline.contracts.masking import mask_text

LONG = "51Hxyz0123456789abcdef"


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        (f"No such customer: 'sk_live_{LONG}'", "No such customer: 'sk_live_…masked'"),
        (f"rk_live_{LONG}", "rk_live_…masked"),
        (f"pk_test_{LONG}.", "pk_test_…masked."),
        (f"ek_test_{LONG},", "ek_test_…masked,"),
        (f"sk_org_live_{LONG}", "sk_org_…masked"),
        ("sk_test_short", "sk_test_…masked"),
        ("sk_test_with-a-dash x", "sk_test_…masked x"),
        (f"keysk_live_{LONG}", "keysk_live_…masked"),
        (f"x_sk_live_{LONG}", "x_sk_live_…masked"),
        ("task_live_view stays", "task_live_view stays"),
        (f"sk_live_{LONG} and sk_live_{LONG}", "sk_live_…masked and sk_live_…masked"),
        ("whsec_a+b/c=", "whsec_…masked"),
        (f"pi_3Abc_secret_{LONG}", "pi_3Abc_secret_…masked"),
        (f"cs_test_a1_secret_{LONG}", "cs_test_a1_secret_…masked"),
        ("http://user:hunter2@proxy:3128 failed", "http://user:…masked@proxy:3128 failed"),
        ("http://proxy:3128/a@b", "http://proxy:3128/a@b"),
        ("sk_live_*****1234", "sk_live_*****1234"),  # as Stripe masks it
        ("", ""),
    ],
)
def test_every_secret_of_a_text_is_masked(text, masked):
    assert mask_text(text) == masked
    assert mask_text(masked) == masked
