"""``python -m augmap`` is the command ``augmap``."""

from augmap.cli.main import main

if __name__ == "__main__":
    main()
