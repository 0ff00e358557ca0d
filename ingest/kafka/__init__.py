"""How the receiver writes to Kafka: batches, one supervised producer, and a result for each record."""
