"""Encryption of secrets, and a bounded cache of decrypted ones."""
