"""Reads the topics for a person: the newest records, and how they are shown."""
