"""The records of acts, pauses and processes: what an operator does, and what the processes say of themselves. Pure."""
