"""The executor's second work: thin events, which name their object. Fetched from Stripe, published on family topics."""
