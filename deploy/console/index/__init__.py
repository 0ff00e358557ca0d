"""What the topics hold, as rows that can be filtered, counted and sorted: a cache that may be deleted at any time."""
