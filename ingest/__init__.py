"""The receiving half: a signed Stripe event over HTTP becomes one record on its family's topic, or a refusal."""
