"""What crosses a topic: names, shapes and their meaning. Pure: no I/O, no clock, no environment."""
