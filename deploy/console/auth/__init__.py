"""Who is signed in, and what they may: by a token, or by a proxy."""
