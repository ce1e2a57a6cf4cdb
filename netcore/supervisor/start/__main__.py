"""The first lines of a process, which have it import netcore from where the supervisor has.

The interpreter runs this folder, and not a module by ``-m``: the current directory is no place then to import
the standard library from, whatever is called ``json.py`` there.
"""

import sys
from pathlib import Path

sys.path[:] = [*sys.path[1:], str(Path(__file__).resolve().parents[3])]

from netcore.supervisor.process import main  # noqa: E402 -- it could not be found before

if __name__ == "__main__":
    sys.exit(main())
