"""Each kind of Stripe's keys that is not the wanted one has its own sentence, and none shows the value."""

import pytest

from stripeline.deploy.definitions.secrets import Kind, complaint


@pytest.mark.parametrize(
    ("kind", "secret", "says"),
    [
        ("secret_key", "sk_org_live_51Org0001", "it is an organisation's key (sk_org_…)"),
        ("secret_key", "rk_org_test_51Org0001", "create a secret key in the dashboard of the account itself"),
        ("secret_key", "ek_test_YWNjdF8x", "it is an ephemeral key (ek_…)"),
        ("secret_key", "pk_live_51Pub0001", "it is a publishable key (pk_…)"),
        ("secret_key", "vtUQeOtUnYr7PGCLQ96Ul4zqpDUO4sOE", "it is a secret key of before 2012"),
        ("secret_key", "sk_0123456789abcdef", "it is a secret key of before 2012"),
        ("secret_key", "whsec_1", "it is a signing secret (whsec_…), but a secret key is wanted here"),
        ("secret_key", "sk_live_", "a secret key starts with sk_live_"),
        ("secret_key", "sk_test_a b", "a secret key starts with sk_live_"),
        ("secret_key", "", "a secret key starts with sk_live_"),
        ("signing_secret", "sk_org_live_51Org0001", "it is a secret key (sk_… or rk_…), but a signing secret"),
        ("signing_secret", "ek_test_YWNjdF8x", "but a signing secret is wanted here"),
        ("signing_secret", "pk_test_1", "it is a publishable key (pk_…)"),
        ("signing_secret", "whsec_", "a signing secret starts with whsec_"),
    ],
)
def test_what_is_another_kind_of_key_is_called_by_its_name(kind: Kind, secret: str, says: str) -> None:  # case G12
    words = complaint(secret, kind) or ""
    assert says in words
    assert len(secret) < 10 or secret[8:] not in words


@pytest.mark.parametrize(
    ("kind", "secret"),
    [
        ("secret_key", "sk_test_51Abc"), ("secret_key", "rk_live_51Abc_1"), ("signing_secret", "whsec_a+/="),
        ("secret_key", "sk_live_51Organisation"),
    ],
)  # fmt: skip
def test_the_right_kind_is_taken(kind: Kind, secret: str) -> None:
    assert complaint(secret, kind) is None
