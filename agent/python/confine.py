"""Starts a program with fewer rights: python -I confine.py [options] -- program [arguments]; see confinement/cli.py."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from confinement.cli import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
