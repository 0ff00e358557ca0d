"""The records that cross topics: names, shapes and their meaning. Pure: no I/O, no clock, no environment."""
