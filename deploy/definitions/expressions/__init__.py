"""What is wrong with the expressions of a configuration file, and with texts that should be some."""
