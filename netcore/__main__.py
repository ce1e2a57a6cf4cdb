"""``python -m netcore``: the command line without the script."""

import sys

from netcore.cli import main

if __name__ == "__main__":
    sys.exit(main())
