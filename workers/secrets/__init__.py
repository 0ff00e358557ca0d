"""Sealing and opening secrets, and a bounded cache of opened ones."""
