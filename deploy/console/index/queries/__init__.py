"""The questions of the pages to the index: each is a function of a connection."""
