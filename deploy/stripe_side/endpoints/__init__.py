"""Makes and keeps the endpoints' destinations at Stripe: what is wanted, what is there, and the steps between."""
