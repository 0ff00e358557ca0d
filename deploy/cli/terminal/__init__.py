"""What all commands share: options, output, failures, times, and who asks."""
