"""Stripe's API as the sandbox serves it: requests, parameters, objects, lists, searches and errors."""
