"""What a task remembers of what has ended, in little memory: rows of a key and a few bytes, in the order of time."""
