"""`python -m stripeline.deploy` is the `stripeline` command."""

from stripeline.deploy.cli import main

if __name__ == "__main__":
    main()
