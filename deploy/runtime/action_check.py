"""Whether this process has every action that the applied workflows use. Pure."""

from collections.abc import Container, Mapping

from stripeline.contracts.definitions import Workflow


def uninstalled(workflows: Mapping[str, Workflow], installed: Container[str]) -> str | None:
    """The workflows that use an action which this process does not have, as a sentence; None when there are none."""
    missing = [
        f"{name} uses {step.action}"
        for name, workflow in sorted(workflows.items())
        for step in workflow.steps
        if step.action not in installed
    ]
    if not missing:
        return None
    return (
        f"no installed package provides an action that a workflow needs: {', '.join(missing[:5])}. Install the package"
        " beside Stripeline on every executor, or delete the workflow with `stripeline delete workflow NAME`"
    )
