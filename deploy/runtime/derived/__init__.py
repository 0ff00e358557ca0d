"""What a process works out of the definitions and keeps until they change."""
