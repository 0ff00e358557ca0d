"""What waits on its topic: which records, for what, and what wakes them."""
