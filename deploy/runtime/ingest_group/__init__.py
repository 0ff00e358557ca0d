"""Several ingest processes on one port: a parent that starts and restarts them, and answers the admin port for all."""
