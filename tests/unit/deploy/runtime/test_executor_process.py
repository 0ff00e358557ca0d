"""What the owner of partition 0 does beside the commands begins once that is open, and ends when it is lost."""

from types import SimpleNamespace
from typing import Any

from stripeline.deploy.runtime.executor_process import owns_first_partition


def test_partition_0_is_owned_once_it_was_open():
    worker: Any = SimpleNamespace(tasks={})
    owns = owns_first_partition(worker)
    worker.tasks = {1: SimpleNamespace(open=True)}
    assert not owns()
    worker.tasks[0] = SimpleNamespace(open=False)
    assert not owns()
    worker.tasks[0].open = True
    assert owns()
    worker.tasks[0].open = False  # it is opened anew after an error, and has been planned for
    assert owns()
    del worker.tasks[0]
    assert not owns()
