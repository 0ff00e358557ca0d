"""Acts: the preview of a bulk act, its confirmation, its progress and its stop. Each act has an address of its own.

A preview changes nothing in Kafka. Its confirmation carries out exactly its list, once, however often it is sent.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from stripeline.contracts.retry_tiers import HORIZON_MS
from stripeline.contracts.shown_text import shown
from stripeline.deploy.console.auth.identity import ConsoleRole
from stripeline.deploy.console.bulk.act_kinds import KINDS
from stripeline.deploy.console.bulk.act_selection import MAX_ITEMS, ActSelection, SelectionError, selection_of
from stripeline.deploy.console.bulk.act_store import (
    EXPIRES_MS,
    ActState,
    StoredAct,
    act_of,
    added,
    asked_to_stop,
    begun,
    items_of,
    recent_acts,
)
from stripeline.deploy.console.bulk.act_work import ActWork
from stripeline.deploy.console.bulk.bulk_act import WORDS, BulkAct
from stripeline.deploy.console.bulk.bulk_kind import Chosen
from stripeline.deploy.console.bulk.confirmation import DEFAULT_RATE, MAX_RATE, MAX_WHY, Confirmation, confirmation_of
from stripeline.deploy.console.bulk.frozen_list import summary
from stripeline.deploy.console.console_page import (
    NOT_FOUND,
    REFUSED,
    Answer,
    ConsolePage,
    PageProblem,
    Question,
    Redirect,
    View,
)
from stripeline.deploy.console.filters import BadFilterError
from stripeline.deploy.operations.acts.audit import Signed

_BAD: Final = 400
_WAIT_S: Final = 2.0
"""How long a preview is waited for before its progress is shown instead."""
_ROWS: Final = 100
_MAX_USER: Final = 200


async def preview(question: Question) -> Answer:
    """Freezes a list from a form: ids that were chosen, or filters."""
    try:
        selection = selection_of(question.form)
        kind = KINDS[selection.act](question.sources, selection)
        chosen = await kind.choose(replace(question, query=selection.filters))
    except (SelectionError, BadFilterError) as error:
        return PageProblem(status=_BAD, title="Nothing was done", words=str(error))
    return await _prepared(question, selection, chosen)


async def again(question: Question) -> Answer:
    """Freezes the list of an act again, as things are now."""
    act = await _act(question)
    if isinstance(act, PageProblem):
        return act
    items = await question.sources.index.ask(items_of(act.act_id))
    if not items:
        return PageProblem(
            status=REFUSED, title="It has no list", words="Its preview never ended. Choose again from the list.",
            back=WORDS[act.selection.act].where, back_to=WORDS[act.selection.act].many,
        )  # fmt: skip
    ids = tuple(one.id for one in items)
    selection = ActSelection(
        act=act.selection.act, ids=ids, workflow=act.selection.workflow, as_started=act.selection.as_started
    )
    return await _prepared(question, selection, Chosen(ids=ids))


async def _prepared(question: Question, selection: ActSelection, chosen: Chosen) -> Answer:
    sources, words = question.sources, WORDS[selection.act]
    refused = _not_now(question)
    if refused is not None:
        return refused
    if not chosen.ids:
        return PageProblem(
            status=REFUSED, title="Nothing to do", words=f"There are no such {words.many} any more.", back=words.where,
            back_to=words.many,
        )  # fmt: skip
    by = _user(question)
    act_id = await sources.index.change(added(by, selection, len(chosen.ids), chosen.cut, question.now_ms))
    if act_id is None:
        return PageProblem(status=REFUSED, title="Too many acts", words="Wait until others have ended.", back="/acts")
    work = ActWork(sources, act_id, KINDS[selection.act](sources, selection))
    sources.acting.start(act_id, work.prepare(chosen.ids, Signed(by=by, why="", at_ms=question.now_ms)))
    await sources.acting.settled(act_id, _WAIT_S)
    return Redirect(f"/acts/{act_id}")


def _not_now(question: Question) -> PageProblem | None:
    """Why no act is previewed or begun now: an index that is behind shows what was decided since as undecided."""
    catch_up = question.sources.index.catch_up()
    if not catch_up.caught_up:
        words = f"The console has read {catch_up.percent} % and does not know the rest yet. Wait until it has read all."
        return PageProblem(status=REFUSED, title="The console is still reading", words=words)
    if question.sources.acting.full:
        return PageProblem(
            status=REFUSED, title="Other acts are at work", words="Wait until one of them has ended, or stop it.",
            back="/acts", back_to="Acts",
        )  # fmt: skip
    return None


async def act(question: Question) -> Answer:
    """A preview, or the progress of what was confirmed."""
    found = await _act(question)
    return found if isinstance(found, PageProblem) else await _view(question, found)


async def confirm(question: Question) -> Answer:
    found = await _act(question)
    if isinstance(found, PageProblem):
        return found
    here = Redirect(f"/acts/{found.act_id}")
    if found.state is not ActState.PREVIEWED:
        return here  # confirmed before: its progress
    confirmed = confirmation_of(question.form, found)
    if isinstance(confirmed, str):
        return await _view(question, found, confirmed, status=_BAD)
    refused = _not_now(question)
    if refused is not None:
        return refused
    ask, change = question.sources.index.ask, question.sources.index.change
    if not await change(begun(found.act_id, _user(question), confirmed.why, confirmed.rate, question.now_ms)):
        return here
    _begin(question, found, confirmed, await ask(items_of(found.act_id)))
    return here


def _begin(question: Question, found: StoredAct, confirmed: Confirmation, items: Any) -> None:
    sources, selection = question.sources, found.selection
    work = ActWork(sources, found.act_id, KINDS[selection.act](sources, selection))
    signed = Signed(by=found.by, why=confirmed.why, at_ms=question.now_ms)
    sources.acting.start(found.act_id, work.carry_out(items, signed, confirmed.rate))


async def stop(question: Question) -> Answer:
    found = await _act(question)
    if isinstance(found, PageProblem):
        return found
    await question.sources.index.change(asked_to_stop(found.act_id))
    return Redirect(f"/acts/{found.act_id}")


async def acts(question: Question) -> Answer:
    found = await question.sources.index.ask(recent_acts())
    rows = [(one, WORDS[one.selection.act]) for one in found]
    return View(template="acts.html", values={"rows": rows, "now_ms": question.now_ms})


async def _act(question: Question) -> StoredAct | PageProblem:
    """The act of an address. One that was not confirmed is its own user's alone."""
    found = await question.sources.index.ask(act_of(question.path["act_id"][:100]))
    mine = found is not None and found.by == _user(question)
    if found is None or not (mine or found.why):
        return PageProblem(
            status=NOT_FOUND, title="There is no such act", back="/acts", back_to="Acts",
            words="A preview is its own user's, and is kept for a while only. Choose again from the list.",
        )  # fmt: skip
    return found


def _user(question: Question) -> str:
    return shown(question.identity.user, _MAX_USER)


async def _view(question: Question, found: StoredAct, problem: str = "", status: int = 200) -> View:
    items = await question.sources.index.ask(items_of(found.act_id)) if found.state is ActState.PREVIEWED else ()
    start = int(text) if (text := question.given("from") or "0").isdecimal() and len(text) <= len(str(MAX_ITEMS)) else 0
    return View(
        template="act.html", status=status,
        values={
            "act": found, "words": WORDS[found.selection.act], "now_ms": question.now_ms, "problem": problem,
            "summary": summary(items, question.now_ms), "rows": items[start : start + _ROWS], "start": start,
            "next": start + _ROWS if start + _ROWS < len(items) else None, "horizon_ms": HORIZON_MS,
            "key_of": question.sources.idempotency_key,
            "lost": found.lost(question.now_ms), "expired": found.expired(question.now_ms),
            "expires_ms": found.since_ms + EXPIRES_MS, "max_items": MAX_ITEMS, "max_why": MAX_WHY,
            "max_rate": MAX_RATE, "given": _given(question), "erases": found.selection.act is BulkAct.ERASE,
            "working": found.state in {ActState.PREPARING, ActState.RUNNING},
        },
    )  # fmt: skip


def _given(question: Question) -> Mapping[str, str]:
    return {"why": question.field("why"), "rate": question.field("rate") or str(DEFAULT_RATE)}


_OPERATOR: Final = ConsoleRole.OPERATOR
PAGES = (
    ConsolePage(name="acts", path="/acts", show=acts, needs=_OPERATOR),
    ConsolePage(name="act", path="/acts/{act_id}", show=act, needs=_OPERATOR),
    ConsolePage(name="act-preview", path="/acts/preview", show=preview, method="POST", needs=_OPERATOR),
    ConsolePage(name="act-confirm", path="/acts/{act_id}/confirm", show=confirm, method="POST", needs=_OPERATOR),
    ConsolePage(name="act-stop", path="/acts/{act_id}/stop", show=stop, method="POST", needs=_OPERATOR),
    ConsolePage(name="act-again", path="/acts/{act_id}/again", show=again, method="POST", needs=_OPERATOR),
)
