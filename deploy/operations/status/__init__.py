"""How the whole installation is: the reports of its processes, and what needs a person."""
