"""What a record becomes in the index: rows, by the kind of its topic."""
