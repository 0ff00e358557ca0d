"""What Stripe's APIs of webhook endpoints and event destinations make, and the sandbox delivers to. Pure."""
