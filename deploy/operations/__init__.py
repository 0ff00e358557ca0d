"""An operator's operations on topics, runs, dead letters and commands, as functions that the CLI calls."""
