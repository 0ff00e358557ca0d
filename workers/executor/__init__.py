"""The executor's decisions: what a command becomes before a call, after it, and how both wait or finish. Pure."""
