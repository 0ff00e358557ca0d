"""Router and executor: the pure spine, the actions, and the adapters that carry decisions out."""
