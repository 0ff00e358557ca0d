"""The spoiled requests of the fuzz and of the fault suite can all be made, in every order."""

import itertools
import random

import pytest

from tests.support.spoiled_requests import WAYS, delivery, random_spoiled, spoil


@pytest.mark.parametrize("first", sorted(WAYS))
def test_every_two_ways_go_together(first: str):
    for second, seed in itertools.product(sorted(WAYS), range(8)):
        assert spoil(delivery("evt_1", "whsec_test"), [first, second], random.Random(seed)).wire


def test_chance_makes_nothing_else():
    choice = random.Random(1)
    assert all(random_spoiled("evt_1", "whsec_test", choice).wire for _ in range(1_000))
