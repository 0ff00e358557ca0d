"""What Stripe delivers, and what ingest notes of it: the words of ingest, thin events, events that were seen."""
