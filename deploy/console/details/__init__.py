"""What the page of one run, command or event shows beside its row in the index; and the contract as tables."""
