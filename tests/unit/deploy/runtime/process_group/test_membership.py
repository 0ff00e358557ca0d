"""What a process of a group is given."""

import socket

import pytest

from stripeline.deploy.failure import FailureError
from stripeline.deploy.runtime.process_group.membership import GroupMembership
from stripeline.deploy.settings.settings import load_settings


@pytest.mark.parametrize("text", ["", "1", "a:b", "1:99999", "1:99999:5"])
def test_what_no_parent_gives_is_refused(text: str):
    with pytest.raises(FailureError, match="Use --processes"):
        GroupMembership.parse(text)


@pytest.mark.parametrize(("given", "own"), [("host-router", "host-router_2"), (None, None)])
def test_each_process_is_a_static_member_of_its_own(given: str | None, own: str | None):
    settings = load_settings({} if given is None else {"instance_id": given})
    with socket.socket() as listener:
        assert GroupMembership(number=2, listener=listener).own(settings).instance_id == own
