"""Compares Stripe's list of events with what came, and publishes what never came."""
