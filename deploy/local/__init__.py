"""What `stripeline demo` and `up` run on one machine: nothing here is used by a deployed process."""
