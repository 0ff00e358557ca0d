"""Connections, workflows, their limits and their versions, as the pages show them."""
