"""The router's decisions: which runs an event starts, and how a result takes a run to its next step. Pure."""
