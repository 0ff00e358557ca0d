"""How the installation is, for the pages Now and Workers: findings with their next click, curves, processes."""
