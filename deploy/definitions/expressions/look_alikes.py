"""Texts that look like an expression, but lack the `=` that makes them one: they are sent to Stripe as they are."""

import re
from typing import Final

from stripeline.deploy.definitions.expressions.expression_engine import variables
from stripeline.deploy.definitions.expressions.expression_names import VARIABLES

_ROOT: Final = re.compile(r"(?<![\w.])(steps|data|previous_attributes|request)\s*(\.\s*[A-Za-z_]|\[)")
_TEMPLATE: Final = re.compile(r"\{\{(.*)\}\}|\$\{(?!env:|file:)(.*)\}|=(.*)", re.DOTALL)
"""As other tools write them, or with a blank before the sign."""


def as_expression(text: str) -> str | None:
    """What was probably meant; None for what is a text."""
    stripped = text.strip()
    template = _TEMPLATE.fullmatch(stripped)
    inside = next(filter(None, template.groups()), "").strip() if template else stripped
    if not _ROOT.search(inside):
        return None
    used = variables(inside)
    return f'"={inside}"' if used and used <= set(VARIABLES) else None
