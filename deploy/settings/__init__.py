"""Settings from the environment, `.env` and options, and what follows from them for Kafka clients."""
