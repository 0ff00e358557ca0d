"""A role as a task sees it: where it reads and what it may not do."""

import pytest

from stripeline.contracts.retry_tiers import parse_tiers
from stripeline.contracts.topics import Topics
from stripeline.workers.actions import actions
from stripeline.workers.executor.before_call import Executor
from stripeline.workers.executor.ledger import Ledger
from stripeline.workers.executor.stripe_answer import Succeeded
from stripeline.workers.roles import executor_job, router_job
from stripeline.workers.router.router import Router
from stripeline.workers.router.runs import Runs

TOPICS = Topics(prefix="p.", tiers=parse_tiers("1s,2s"))
EXECUTOR = Executor(topics=TOPICS, actions=actions(), has_connection=lambda _: True)
ROUTER = Router(topics=TOPICS, workflows=lambda _: {})


async def carry_out(_):
    return Succeeded(output={})


def test_the_router():
    job = router_job(TOPICS, ROUTER)
    assert (job.name, job.group, job.changelog) == ("router", "p.router", "p.run")
    assert job.inputs == ("p.charge-event", "p.customer-event", "p.payment-event", "p.action-result")
    assert job.concurrency == 1
    assert isinstance(job.new_state(), Runs)
    assert list(job.expired(Runs(), 0)) == []


async def test_the_router_makes_no_call():
    job = router_job(TOPICS, ROUTER)
    with pytest.raises(AssertionError, match="no call"):
        await job.carry_out(None)
    with pytest.raises(AssertionError, match="no call"):
        job.settle(Runs(), None, Succeeded(output={}), 0)


def test_the_executor():
    job = executor_job(TOPICS, EXECUTOR, carry_out, 32)
    assert (job.name, job.group, job.changelog) == ("executor", "p.executor", "p.action-ledger")
    assert job.inputs == ("p.action-command", "p.action-retry.1s", "p.action-retry.2s")
    assert (job.concurrency, job.carry_out) == (32, carry_out)
    assert isinstance(job.new_state(), Ledger)
    assert list(job.expired(Ledger(), 0)) == []


def test_a_tasks_topics_all_have_its_partition_count():
    counts = {topic.name: topic.partitions for topic in TOPICS.all(7)}
    for job in (router_job(TOPICS, ROUTER), executor_job(TOPICS, EXECUTOR, carry_out, 1)):
        assert {counts[name] for name in (*job.inputs, job.changelog)} == {7}
