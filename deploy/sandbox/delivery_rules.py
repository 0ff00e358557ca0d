"""Decides what happens to a delivery on its way: a test has some lost, held back or sent twice. Pure.

- lose: Stripe counts it as delivered, and it never comes.
- hold: it waits until it is released, in any order.
- repeat: it comes twice.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

Treatment = Literal["lose", "hold", "repeat"]


@dataclass(slots=True, kw_only=True)
class DeliveryRule:
    do: Treatment
    types: frozenset[str] = field(default_factory=frozenset)  # none: all
    times: int | None = 1  # left; None is always
    probability: float = 1.0
    struck: int = 0


class DeliveryRules:
    """In the order in which they were added; the first that fits strikes, alone. `draw` gives a number below 1."""

    def __init__(self, draw: Callable[[], float]) -> None:
        self.rules: list[DeliveryRule] = []
        self._draw = draw

    def strike(self, event_type: str) -> Treatment | None:
        for rule in self.rules:
            if rule.times == 0 or (rule.types and event_type not in rule.types):
                continue
            if rule.probability < 1 and self._draw() >= rule.probability:
                continue
            rule.struck += 1
            if rule.times is not None:
                rule.times -= 1
            return rule.do
        return None
