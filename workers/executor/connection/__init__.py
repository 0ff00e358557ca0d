"""Whether a connection may call Stripe now: whose key it has, refusals, rates. Pure."""
