"""Asks Stripe for pages of its lists, at the sweeps' pace, and again where an answer says nothing. Bounded in time."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple, assert_never

from pydantic import SecretStr

from stripeline.contracts.deliveries.delivery_vocabulary import SweepTrouble
from stripeline.contracts.ids import ACCOUNT_ID
from stripeline.contracts.vocabulary import Fault
from stripeline.deploy.stripe_side.sweeps.event_listing import EventListing, ListingError
from stripeline.deploy.stripe_side.sweeps.list_answer import AnswerFate, SweepError, judged, refused
from stripeline.deploy.stripe_side.sweeps.listed_event import ListedEvent
from stripeline.deploy.stripe_side.sweeps.sweep_pace import SweepPace
from stripeline.workers.executor.stripe_answer import StripeAnswer
from stripeline.workers.stripe.api import form

Read = Callable[[str, SecretStr, str | None], Awaitable[StripeAnswer | Fault]]
"""A GET with a key, for an account."""
MAX_ACCOUNTS: Final = 10_000
_AT_A_TIME: Final = 32
"""Requests of all sweeps: for 10,000 connections every 10 minutes, each some of a fifth of a second."""
_WAITS_S: Final = (1.0, 3.0, 10.0)
"""Before a request is made again. After the last one the sweep fails, and is tried again as a whole."""


class AskedFor(NamedTuple):
    """Whose list: a connection's own, or that of an account that is connected to it."""

    connection: str
    key: SecretStr
    account: str | None = None


class ConnectedAccount(NamedTuple):
    id: str
    since_s: int


class AccountGoneError(Exception):
    """The key may not act for a connected account any more."""


class StripeLists:
    """calls: requests that were made."""

    def __init__(self, read: Read, pace: SweepPace, now_ms: Callable[[], int]) -> None:
        self._read, self._pace, self._now_ms = read, pace, now_ms
        self._turns = asyncio.Semaphore(_AT_A_TIME)
        self.calls = 0

    async def page(self, listing: EventListing, asked: AskedFor) -> Sequence[ListedEvent]:
        """The next events of a listing. Raises SweepError, AccountGoneError."""
        try:
            return listing.take(await self._page(listing.path, asked, listing))
        except ListingError as error:
            raise SweepError(SweepTrouble.NO_ANSWER, str(error)) from None

    async def accounts(self, asked: AskedFor) -> AsyncIterator[ConnectedAccount]:
        """The accounts that are connected to a platform. Raises SweepError.

        https://docs.stripe.com/api/accounts/list
        """
        after: str | None = None
        for _ in range(MAX_ACCOUNTS // 100):
            params = {"limit": 100, "starting_after": after}
            page = await self._page(lambda: f"/v1/accounts?{form(params).decode()}", asked, None)  # noqa: B023
            found = [one for item in page.get("data") or () if (one := _account(item)) is not None]
            for one in found:
                yield one
            if page.get("has_more") is not True or not found:
                return
            after = found[-1].id
        raise SweepError(SweepTrouble.FAILED, f"connection {asked.connection} has more than {MAX_ACCOUNTS} accounts")

    async def _page(self, path: Callable[[], str], asked: AskedFor, listing: EventListing | None) -> Mapping[str, Any]:
        tries = iter((*_WAITS_S, None))
        while True:
            answer = await self._ask(path(), asked)
            anchored = listing is not None and listing.anchored
            found = judged(answer, anchored=anchored, account=asked.account)
            match found.fate:
                case AnswerFate.PAGE:
                    return found.page
                case AnswerFate.AGAIN | AnswerFate.SLOWER:
                    if found.fate is AnswerFate.SLOWER:
                        self._pace.slow(asked.connection, asked.account, self._now_ms())
                    wait_s = next(tries, None)
                    if wait_s is None:
                        raise SweepError(SweepTrouble.NO_ANSWER, found.words)
                    await asyncio.sleep(max(wait_s, found.wait_s))
                case AnswerFate.SHORTER if listing is not None:
                    listing.shorten()
                case AnswerFate.RESTART if listing is not None:
                    listing.restart()
                case AnswerFate.ACCOUNT_GONE:
                    raise AccountGoneError
                case AnswerFate.REFUSED | AnswerFate.SHORTER | AnswerFate.RESTART:
                    what = "events" if listing is not None else "connected accounts"
                    raise _refused(answer, asked, found.words, what)
                case _ as never:
                    assert_never(never)

    async def _ask(self, path: str, asked: AskedFor) -> StripeAnswer | Fault:
        wait_ms = self._pace.turn_ms(asked.connection, asked.account, self._now_ms())
        if wait_ms > 0:
            await asyncio.sleep(wait_ms / 1000)
        async with self._turns:
            self.calls += 1
            return await self._read(path, asked.key, asked.account)


def _refused(answer: StripeAnswer | Fault, asked: AskedFor, words: str, what: str) -> SweepError:
    if isinstance(answer, Fault):
        return SweepError(SweepTrouble.NO_ANSWER, words)
    return refused(answer, asked.connection, words, what)


def _account(found: Any) -> ConnectedAccount | None:
    """`created` of an account is when it was connected."""
    if not isinstance(found, dict):
        return None
    account, since_s = found.get("id"), found.get("created")
    if not (isinstance(account, str) and ACCOUNT_ID.fullmatch(account)):
        return None
    return ConnectedAccount(account, since_s if isinstance(since_s, int) else 0)
