"""When a token is used, renewed, or asked for again."""

from hypothesis import given
from hypothesis import strategies as st

from stripeline.deploy.kafka_login.token_cache import (
    REFUSED_RETRY_S,
    RETRY_S,
    Failure,
    Token,
    TokenStep,
    next_token_step,
)

LIFETIMES = st.floats(0.01, 100_000)
TIMES = st.floats(0, 200_000)


@given(LIFETIMES, TIMES)
def test_a_token_is_renewed_before_it_ends_and_never_used_after(lifetime_s: float, now_s: float) -> None:
    token = Token.lasting("t", lifetime_s, now_s=0)
    assert 0 < token.renew_at_s <= token.ends_at_s < lifetime_s
    step = next_token_step(token, None, now_s)
    assert (step is TokenStep.USE) == (now_s < token.renew_at_s)
    assert (step is TokenStep.RENEW) == (now_s >= token.ends_at_s)


@given(LIFETIMES, st.booleans(), TIMES, TIMES)
def test_after_a_failure_a_valid_token_is_used_and_else_none(
    lifetime_s: float, refused: bool, failed_s: float, now_s: float
) -> None:
    token = Token.lasting("t", lifetime_s, now_s=0)
    failure = Failure.after(None, "why", refused=refused, now_s=failed_s)
    step = next_token_step(token, failure, now_s)
    asked = step in {TokenStep.RENEW, TokenStep.USE_AND_RENEW}
    assert not (asked and now_s < failure.retry_at_s)
    assert (step in {TokenStep.USE, TokenStep.USE_AND_RENEW}) == (now_s < token.ends_at_s)


@given(st.lists(st.booleans(), min_size=1, max_size=20))
def test_failures_in_a_row_are_asked_less_and_less_often(refusals: list[bool]) -> None:
    failure = None
    for refused in refusals:
        failure = Failure.after(failure, "why", refused=refused, now_s=0)
        assert failure.retry_at_s <= (REFUSED_RETRY_S if refused else RETRY_S)[-1]
    assert failure is not None
    assert failure.count == len(refusals)


def test_a_failed_fetch_is_not_repeated_at_once() -> None:
    failure = Failure.after(None, "why", refused=False, now_s=10)
    assert next_token_step(None, None, 0) is TokenStep.RENEW
    assert next_token_step(None, failure, 10.5) is TokenStep.FAIL
    assert next_token_step(None, failure, 11) is TokenStep.RENEW


def test_a_token_is_no_part_of_its_repr() -> None:
    assert "secret" not in repr(Token.lasting("secret", 10, now_s=0))
