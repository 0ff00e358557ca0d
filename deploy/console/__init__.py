"""The console: pages on which a person sees what happens, finds what broke, and corrects it."""
