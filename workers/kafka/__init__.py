"""The workers' side of Kafka: group membership, tasks, transactions, restore, the control table. Decides nothing."""
