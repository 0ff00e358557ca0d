"""What happened in the sandbox: events, kept, listed and read as Stripe has it. Pure."""
