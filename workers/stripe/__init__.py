"""Calls to Stripe's API over HTTP. Judges no answer."""
