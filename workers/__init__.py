"""Router and executor: pure decisions, the actions, and the adapters for Kafka and Stripe that carry decisions out."""
