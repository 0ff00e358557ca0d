"""What a worker may keep on disk, to start sooner: the states of its tasks, in files that are proved or deleted."""
