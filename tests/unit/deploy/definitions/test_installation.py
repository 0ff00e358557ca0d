"""Which installation topics belong to: a new id for new topics only, and the stored one for ever."""

import pytest

from stripeline.contracts.ids import INSTALLATION
from stripeline.contracts.operator.control_records import FORMAT, Installation
from stripeline.deploy.definitions.installation import InstallationError, decided

STORED = Installation(id="k3v9x2", format=FORMAT)


def test_new_topics_get_a_new_id_each():
    ids = {decided("s.control", None, None).id for _ in range(100)}
    assert len(ids) == 100
    assert all(INSTALLATION.fullmatch(each) for each in ids)


def test_an_installation_that_moves_keeps_its_id():
    assert decided("s.control", None, "k3v9x2") == STORED
    assert decided("s.control", None, "k3v9x2", in_use=True) == STORED


@pytest.mark.parametrize("wanted", [None, "k3v9x2"])
def test_the_stored_id_stays(wanted):
    assert decided("s.control", STORED, wanted, in_use=True) == STORED


def test_topics_never_go_to_another_installation():
    with pytest.raises(InstallationError, match="belong to the installation k3v9x2, and not to other1"):
        decided("s.control", STORED, "other1")


def test_no_id_is_made_up_for_commands_that_were_sent():
    with pytest.raises(InstallationError, match="topics apply --installation ID"):
        decided("s.control", None, None, in_use=True)


def test_topics_of_another_format_are_refused():
    with pytest.raises(InstallationError, match=f"have format 2 .* writes format {FORMAT}"):
        decided("s.control", Installation(id="k3v9x2", format=2), None)


@pytest.mark.parametrize("wanted", ["", "A", "a-b", "i" * 17])
def test_an_id_that_does_not_fit_a_key_is_refused(wanted):
    with pytest.raises(InstallationError, match="1 to 16"):
        decided("s.control", None, wanted)
