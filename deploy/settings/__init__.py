"""Settings from the environment, `.env` and options, and the Kafka client options derived from them."""
