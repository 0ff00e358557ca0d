"""The HTTP server of the receiver: aiohttp's, with deadlines and limits. It decides nothing about an event."""
