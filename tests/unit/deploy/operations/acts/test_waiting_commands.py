"""Whose commands wait, and that their connection is then not removed."""

import pytest

from stripeline.contracts import headers as h
from stripeline.deploy.failure import FailureError
from stripeline.deploy.operations.acts.waiting_commands import connection_of, require_none_waiting


@pytest.mark.parametrize(
    ("value", "headers", "found"),
    [
        (b'{"connection":"acme"}', {}, "acme"),
        (b'{"connection":"acme"}', {h.SETTLES: b"c1"}, None),
        (b'{"connection":7}', {}, None),
        (b"{}", {}, None),
        (b"[]", {}, None),
        (b"no", {}, None),
        (None, {}, None),
    ],
)
def test_a_commands_connection(value, headers, found):
    assert connection_of(value, headers) == found


def test_a_connection_that_commands_wait_for_is_not_removed():
    require_none_waiting({"acme": 3}, ["other"])
    with pytest.raises(FailureError, match="acme was not removed: 3 of its commands wait"):
        require_none_waiting({"acme": 3}, ["other", "acme"])
