"""How Stripeline is run: the command, settings, the local stack. Wires `ingest` and `workers`; nothing imports it."""
