"""The sandbox Stripe: a stateful stand-in for the part of Stripe's API that Stripeline calls.

Everything but `http_server` and `webhook_deliveries` is pure: no I/O and no clock, time comes in as an argument. It is
for development and tests, keeps everything in memory, and never talks to Stripe.
"""
