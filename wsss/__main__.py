"""`python -m wsss`, which is `wsss`."""

from wsss.cli import main

if __name__ == "__main__":
    main()
