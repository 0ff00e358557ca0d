"""How all Kafka clients of a process prove who they are: certificates from files, and tokens of OAUTHBEARER."""
