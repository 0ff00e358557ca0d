"""What touches the world on the workers' side: Kafka, Stripe's HTTP API, encryption. Decides nothing."""
