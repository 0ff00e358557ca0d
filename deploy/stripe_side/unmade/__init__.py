"""Publishes the object of an event that Stripe failed to make, when a person asks for it."""
