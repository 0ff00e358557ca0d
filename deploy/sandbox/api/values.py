"""The values that cross the sandbox: what a client sent, what it gets back, what is kept of it. Holds no rule."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

JSON_TYPE = "application/json"
V2 = "/v2/"
EMPTY: Mapping[str, str] = {}

# A decoded form: `a[b]=v` is {"a": {"b": "v"}}.
Params = dict[str, Any]


def kept_json(value: Any) -> bytes:
    """For bytes that are kept: those of orjson hold on to the buffer in which it wrote them, 10 times their size."""
    return bytes(memoryview(orjson.dumps(value)))


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxRequest:
    """One HTTP request. Its repr shows neither the key nor the parameters."""

    method: str
    path: str
    query: str = field(default="", repr=False)
    body: bytes = field(default=b"", repr=False)
    content_type: str = ""
    authorization: str | None = field(default=None, repr=False)
    idempotency_key: str | None = None
    stripe_version: str | None = None
    stripe_account: str | None = None  # the header: a connected account
    stripe_context: str | None = None  # the header: the path of accounts to the one that it is for

    @property
    def keyed(self) -> bool:
        """Whether an Idempotency-Key means something."""
        return self.method == "POST" or (self.method == "DELETE" and self.path.startswith(V2))


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxAnswer:
    """Status and body, and the headers that belong to them: what the idempotency layer keeps."""

    status: int
    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=lambda: EMPTY)
    content_type: str = JSON_TYPE


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxReply:
    """An answer on its way back, with what happens to it there."""

    answer: SandboxAnswer
    headers: Mapping[str, str]
    delay_s: float = 0.0
    drop: bool = False
    cut_body: bool = False
    replayed: bool = False
