"""The audit trail: who did what, when, why, and to what; and one act, with the definition that it changed."""

from typing import Any, Final

from stripeline.contracts.vocabulary import AuditedAct
from stripeline.deploy.console.addresses import place_in_topic
from stripeline.deploy.console.console_page import (
    Answer,
    ConsolePage,
    NavigationItem,
    News,
    PageProblem,
    Question,
    View,
)
from stripeline.deploy.console.definitions.audit_links import about_link, main_link, record_links
from stripeline.deploy.console.definitions.definition_text import definition_lines
from stripeline.deploy.console.definitions.recorded_definitions import Version, record_of, shown_to, version_of
from stripeline.deploy.console.filters import (
    SINCE,
    UNTIL,
    BadFilterError,
    FilterField,
    check,
    list_values,
    moment,
)
from stripeline.deploy.console.index.queries.audit import ActQuestion, newer_acts, newest_acts, one_act

FIELDS: Final = (
    FilterField("act", "Act", [act.value for act in AuditedAct]),
    FilterField("by", "By"),
    FilterField("about", "About", help="workflow thank, connection acme, run evt_1:thank"),
    SINCE,
    UNTIL,
)
MAX_LINKS: Final = 200


async def audit(question: Question) -> Answer:
    try:
        check(question, FIELDS)
        asked = _asked(question)
    except BadFilterError as error:
        return error.page("/audit", "Audit")
    found = await question.sources.index.ask(newest_acts(asked, question.given("after")))
    return View(
        template="audit.html",
        values={
            **list_values(question, FIELDS, found, "audit"),
            "rows": [(row, main_link(record_of(row), question.sources.topics)) for row in found.rows],
        },
    )  # fmt: skip


async def audited_act(question: Question) -> Answer:
    place = place_in_topic(question.path["number"], question.path["offset"])
    found = None if place is None else await question.sources.index.ask(one_act(*place))
    if found is None:
        words = "The audit trail has no such act: it may be too old, or not read yet."
        return PageProblem(status=404, title="There is no such act", words=words, back="/audit", back_to="Audit")
    version = version_of(found, question.identity)
    record = version.record
    links = [one for one, _ in zip(record_links(record, question.sources.topics), range(MAX_LINKS), strict=False)]
    values: dict[str, Any] = {
        "row": found, "record": record, "now_ms": question.now_ms, "about": about_link(record.about),
        "links": links, "more_links": len(record.records) - len(links),
    }  # fmt: skip
    return View(template="audited_act.html", values=values | _definition(question, version))


def _definition(question: Question, version: Version) -> dict[str, Any]:
    """The definition that was applied or deleted, and what differs from the one before."""
    record = version.record
    kind, _, name = (record.about or "").partition(" ")
    now, before = (shown_to(question.identity, one) for one in (record.definition, record.former))
    return {
        "changes": version.changes,
        "lines": definition_lines(kind, name, now) if record.definition else (),
        "former_lines": definition_lines(kind, name, before) if record.former else (),
    }


def _asked(question: Question) -> ActQuestion:
    """Raises BadFilterError."""
    given = question.given
    return ActQuestion(
        act=given("act"), by=given("by"), about=given("about"), since_ms=moment(question, "since"),
        until_ms=moment(question, "until"),
    )  # fmt: skip


PAGES = (
    ConsolePage(
        name="audit", path="/audit", show=audit, navigation=NavigationItem(label="Audit", place=9, key="a"),
        live=News(
            newer=lambda question: newer_acts(_asked(question), question.given("newest")), one="act", many="acts"
        ),
    ),
    ConsolePage(name="audited_act", path="/audit/{number}/{offset}", show=audited_act),
)  # fmt: skip
