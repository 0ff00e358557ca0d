"""Receives webhooks: a signed Stripe event over HTTP becomes one record on its family's topic, or is refused."""
