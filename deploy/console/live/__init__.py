"""What keeps an open page up to date: streams of server-sent events, how many, and how often they speak."""
