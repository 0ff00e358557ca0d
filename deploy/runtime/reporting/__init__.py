"""What a process says of itself on `stripe.worker`, and how it gets there."""
