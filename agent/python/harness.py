"""Entry of the trusted harness: `python -I agent/python/harness.py`. Speaks JSON lines on stdin and stdout; logs go to stderr."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from kaggle_harness.server import serve

if __name__ == "__main__":
    sys.exit(serve())
