"""Turns views into HTML. Every value is escaped: what Stripe or another team wrote is text, never markup."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from stripeline.contracts.shown_text import shown
from stripeline.deploy.console import formats
from stripeline.deploy.console.auth.identity import Identity
from stripeline.deploy.console.console_page import ConsolePage, PageProblem, View
from stripeline.deploy.console.console_sources import Sources

_TEXT: Final = 2_000


class Rendering:
    """The templates, with what every page shows: navigation, who is signed in, and how far the index has read."""

    def __init__(self, pages: Sequence[ConsolePage], sign_out: str | None = None) -> None:
        items = [(page.navigation, page.path) for page in pages if page.navigation is not None]
        self._navigation = sorted(items, key=lambda item: item[0].place)
        self._templates, self._sign_out = templates(), sign_out

    def page(self, view: View, path: str, identity: Identity | None, sources: Sources | None) -> str:
        state = None if sources is None else sources.index.catch_up()
        return self._render(
            view.template, path, identity, view.values,
            catch_up=state, missing=None if sources is None else sources.missing(),
        )  # fmt: skip

    def part(self, template: str, values: Mapping[str, Any]) -> str:
        """A part of a page."""
        return self._templates.get_template(template).render(**values)

    def problem(self, problem: PageProblem, path: str, identity: Identity | None) -> str:
        return self._render("problem.html", path, identity, {"problem": problem}, catch_up=None, missing=None)

    def _render(
        self, template: str, path: str, identity: Identity | None, values: Mapping[str, Any], **all_: Any
    ) -> str:
        return self._templates.get_template(template).render(
            **values, **all_, navigation=self._navigation, path=path, identity=identity, sign_out=self._sign_out
        )


@cache
def templates() -> Environment:
    """The templates, with the filters of `formats`."""
    made = Environment(
        loader=PackageLoader("stripeline.deploy.console"),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finalize,
    )
    made.filters.update(formats.FILTERS)
    return made


def _finalize(value: object) -> object:
    """A text of others is one harmless line; None is an absent value."""
    if value is None:
        return ""
    return shown(value, _TEXT) if type(value) is str else value
