"""The receiver's HTTP: aiohttp's public server, with deadlines and limits. It decides nothing about an event."""
