"""``python -m procgraph``."""

from procgraph.cli import main

if __name__ == "__main__":
    main()
