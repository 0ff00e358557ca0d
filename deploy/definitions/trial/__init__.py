"""What a configuration file would do with events: with examples of its types, and with one that a person has."""
