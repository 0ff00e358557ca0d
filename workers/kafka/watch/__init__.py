"""What watches a worker: the watchdog, signs of life of Kafka, and transactions of others that hold it back."""
