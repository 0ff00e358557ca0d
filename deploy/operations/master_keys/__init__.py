"""Master keys: which one seals which secrets, which process holds which, and how secrets are sealed again."""
