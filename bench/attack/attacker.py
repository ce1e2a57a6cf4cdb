"""The attacker's process: calls a function and prints what it returns.

python -m bench.attack.attacker MODULE:FUNCTION ARGUMENTS
"""

from __future__ import annotations

import importlib
import json
import sys

from bench.process import raise_descriptor_limit


def main() -> None:
    """Does it."""
    module, _, function = sys.argv[1].partition(":")
    raise_descriptor_limit()
    print(json.dumps(getattr(importlib.import_module(module), function)(*json.loads(sys.argv[2]))))


if __name__ == "__main__":
    main()
