"""How a task finds out where it goes on: its state, and the watermarks of its inputs."""
