"""Starts the fork server: python -I fork_server.py; see confinement/fork_server.py."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from confinement.fork_server import main

if __name__ == "__main__":
    sys.path.pop(0)
    sys.exit(main())
