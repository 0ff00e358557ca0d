"""Who answers for each bulk act."""

from collections.abc import Callable, Mapping
from typing import Final

from stripeline.deploy.console.bulk.act_selection import ActSelection
from stripeline.deploy.console.bulk.bulk_act import BulkAct
from stripeline.deploy.console.bulk.bulk_kind import BulkKind
from stripeline.deploy.console.bulk.letter_acts import LetterActs
from stripeline.deploy.console.bulk.run_bulk_acts import RunBulkActs, RunErasures
from stripeline.deploy.console.bulk.start_acts import StartActs
from stripeline.deploy.console.console_sources import Sources

KINDS: Final[Mapping[BulkAct, Callable[[Sources, ActSelection], BulkKind]]] = {
    BulkAct.RETRY: RunBulkActs,
    BulkAct.CANCEL: RunBulkActs,
    BulkAct.ERASE: RunErasures,
    BulkAct.START: StartActs,
    BulkAct.REPLAY: LetterActs,
    BulkAct.DISMISS: LetterActs,
}
