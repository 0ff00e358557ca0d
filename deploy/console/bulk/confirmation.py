"""What a person confirms a bulk act with: a reason, a pace, and for an erasure the number of runs. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from stripeline.contracts.shown_text import shown
from stripeline.deploy.console.bulk.act_store import StoredAct
from stripeline.deploy.console.bulk.bulk_act import WORDS, BulkAct

MAX_WHY: Final = 500
DEFAULT_RATE: Final = 20
MAX_RATE: Final = 1_000
_DIGITS: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmation:
    """why: on the audit record of each act. rate: acts a second."""

    why: str
    rate: int


def confirmation_of(form: Mapping[str, Sequence[str]], act: StoredAct) -> Confirmation | str:
    """What was confirmed, or what is wrong with it."""
    fields = {name: next(iter(form.get(name, ())), "").strip() for name in ("why", "rate", "typed")}
    if not fields["why"]:
        return "Nothing was done yet: write a reason, for those who ask later."
    if len(fields["why"]) > MAX_WHY:
        return f"Nothing was done yet: the reason has more than {MAX_WHY} characters."
    rate = fields["rate"] or str(DEFAULT_RATE)
    if not (rate.isdecimal() and len(rate) < _DIGITS and 1 <= int(rate) <= MAX_RATE):
        return f"Nothing was done yet: the pace is a whole number from 1 to {MAX_RATE:,} a second."
    if act.selection.act is BulkAct.ERASE and fields["typed"] != str(act.acting):
        return f"Nothing was erased: type {act.acting} to erase {WORDS[BulkAct.ERASE].counted(act.acting)}."
    # One harmless line: it is on the audit topic for a year, and secrets have no place there.
    return Confirmation(why=shown(fields["why"], MAX_WHY), rate=int(rate))
