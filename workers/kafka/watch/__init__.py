"""What a worker watches beside its work: signs of life of Kafka, and transactions of others that hold it back."""
