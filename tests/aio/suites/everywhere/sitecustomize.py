"""Puts the same event loop in its place in the programs that tests start, too: see ``stand_in``."""

import os
import sys
from pathlib import Path

if loop := os.environ.get("NETCORE_SUITES_LOOP"):
    sys.path.append(str(Path(__file__).parents[1]))
    from stand_in import stand_in

    stand_in(loop)
