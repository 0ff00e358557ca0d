"""What every process has: an admin port, a bounded end, and errors in words."""
