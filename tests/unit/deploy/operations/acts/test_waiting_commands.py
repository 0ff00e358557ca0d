"""Whose commands wait, and that their connection is then not removed."""

import pytest

from stripeline.contracts import headers as h
from stripeline.deploy.failure import FailureError
from stripeline.deploy.operations.acts.waiting_commands import control_keys_of, require_none_waiting


@pytest.mark.parametrize(
    ("value", "headers", "found"),
    [
        (b'{"connection":"acme"}', {}, ["connection/acme"]),
        (b'{"connection":"acme","run":{"workflow":"thank"}}', {}, ["connection/acme", "workflow/thank"]),
        (b'{"connection":"acme","run":"thank"}', {}, ["connection/acme"]),
        (b'{"connection":"acme"}', {h.SETTLES: b"c1"}, []),
        (b'{"connection":7,"run":{"workflow":7}}', {}, []),
        (b"{}", {}, []),
        (b"[]", {}, []),
        (b"no", {}, []),
        (None, {}, []),
    ],
)
def test_whose_a_waiting_command_is(value, headers, found):
    assert list(control_keys_of(value, headers)) == found


def test_a_connection_that_commands_wait_for_is_not_removed():
    require_none_waiting({"connection/acme": 3}, ["other"])
    with pytest.raises(FailureError, match="acme was not removed: 3 of its commands wait"):
        require_none_waiting({"connection/acme": 3}, ["other", "acme"])
