import pytest

from stripeline.contracts.action import Request
from stripeline.contracts.errors import CARD
from stripeline.workers.task.decision import Decision, StateChange


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (Request(method="GET", path="/v1/charges/ch_1", params={}), "path"),
        (Decision("done"), "verdict"),
        (StateChange("queue/a", None), "key"),
        (CARD[429], "retryable"),
    ],
)
def test_a_value_refuses_assignment(value: object, name: str) -> None:
    with pytest.raises(AttributeError):
        setattr(value, name, "another")
