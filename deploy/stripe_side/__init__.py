"""What Stripeline does with Stripe's side of its triggers: the events that never came."""
