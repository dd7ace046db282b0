"""``python -m kbnet`` is the command ``kbnet``."""

from __future__ import annotations

import sys

from kbnet.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
