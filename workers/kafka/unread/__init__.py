"""What can not be read of an input: a batch that no client can read, and what Kafka removed before it was read."""
