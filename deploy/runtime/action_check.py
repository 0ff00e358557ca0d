"""Whether this process has every action that the applied workflows use. Pure."""

from collections.abc import Callable, Container, Mapping

from stripeline.contracts.definitions import Workflow
from stripeline.deploy.runtime.derived.derived_values import DerivedValues


class ActionCheck:
    """installed: the actions of this process. workflows: as they are now."""

    def __init__(self, installed: Container[str], workflows: Callable[[], Mapping[str, Workflow]]) -> None:
        self._installed, self._workflows = installed, workflows
        self._missing = DerivedValues[Workflow, str](self._lacked)

    def missing(self) -> str | None:
        """The workflows that use an action which this process does not have, in a sentence; None without one."""
        return _uninstalled([words for _, words in sorted(self._missing.of(self._workflows()).items())])

    def _lacked(self, name: str, workflow: Workflow) -> str | None:
        lacked = [f"{name} uses {step.action}" for step in workflow.steps if step.action not in self._installed]
        return ", ".join(lacked) or None


def _uninstalled(missing: list[str]) -> str | None:
    if not missing:
        return None
    return (
        f"no installed package provides an action that a workflow needs: {', '.join(missing[:5])}. Install the package"
        " beside Stripeline on every executor, or delete the workflow with `stripeline delete workflow NAME`"
    )
