"""Topics that a worker reads beside its inputs, without a group: the reports of others, and its partitions' runs."""
