"""What counts against a limit over a rolling hour, and what the tasks of other processes have begun. Pure."""
