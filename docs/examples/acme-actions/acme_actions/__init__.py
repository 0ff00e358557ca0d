"""Acme's own actions for Stripeline."""
