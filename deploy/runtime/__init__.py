"""What a process is made of: wiring, shutdown, the admin server, definitions as processes use them."""
