"""Several processes of one role on a host: a parent that starts, restarts and ends them, and answers one admin port."""
