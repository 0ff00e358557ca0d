"""What a browser would find in a page: its links, its forms, and what the console's policy forbids."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser

_REQUESTS = ("hx-get", "hx-post", "hx-put", "hx-patch", "hx-delete")
OTHERS = ("https://dashboard.stripe.com/",)
"""Where a link may lead, beside the console."""
_ADDRESSES = ("href", "src", "action", "formaction", "sse-connect", *_REQUESTS)


@dataclass
class Form:
    """method, action: as written. name: its id. fields: with their values; of choices the first, chosen."""

    method: str
    action: str
    name: str
    fields: dict[str, str] = field(default_factory=dict)


@dataclass
class Page(HTMLParser):
    """links: addresses that a GET asks. posts: addresses that something else asks. forbidden: in words."""

    text: str
    links: list[str] = field(default_factory=list)
    forms: list[Form] = field(default_factory=list)
    posts: list[str] = field(default_factory=list)
    forbidden: list[str] = field(default_factory=list)
    tags: list[tuple[str, Mapping[str, str]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()
        self._in_script = False
        self.feed(self.text)
        self.close()

    def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.tags.append((tag, given))
        self._in_script = tag == "script"
        self._judge(tag, given)
        self._follow(tag, given)

    def handle_startendtag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)

    def handle_data(self, data: str) -> None:
        if self._in_script and data.strip():
            self.forbidden.append(f"an inline script: {data[:40]}")

    def handle_endtag(self, tag: str) -> None:
        self._in_script = False

    def _judge(self, tag: str, given: Mapping[str, str]) -> None:
        where = f"<{tag} {dict(given)}>"[:200]
        self.forbidden += [f"{name}: {where}" for name in given if name == "style" or name.startswith(("on", "hx-on"))]
        self.forbidden += [where] * (tag in {"style", "iframe", "object", "embed", "base"})
        self.forbidden += [where] * (tag == "script" and not given.get("src", "").startswith("/static/"))
        for name in _ADDRESSES:
            address = given.get(name, "").strip().lower()
            if tag == "a" and name == "href" and address.startswith(OTHERS):
                continue
            scheme = address.partition(":")[0] if ":" in address.partition("/")[0] else ""
            self.forbidden += [f"{name} of another host: {where}"] * (address.startswith("//") or bool(scheme))

    def _follow(self, tag: str, given: Mapping[str, str]) -> None:
        if tag == "a" and "href" in given and not given["href"].startswith(OTHERS):
            self.links.append(given["href"])
        self.links += [given[name] for name in _REQUESTS if name == "hx-get" and name in given]
        self.posts += [given[name] for name in (*_REQUESTS, "formaction") if name != "hx-get" and name in given]
        if tag == "form":
            self.forms.append(Form(given.get("method", "get").lower(), given.get("action", ""), given.get("id", "-")))
        elif tag in {"input", "textarea", "button"} and self.forms and given.get("name"):
            of = next((form for form in self.forms if form.name == given.get("form", "")), self.forms[-1])
            of.fields.setdefault(given["name"], given.get("value", ""))
