"""What an operator does: topics, runs, dead letters, replays and commands, as functions that the CLI calls."""
