"""Writes the C that cffi makes of the native part, for a compiler that setuptools does not know here.

python emit.py FILE
"""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

BUILD = Path(__file__).parents[2] / "netcore" / "_native" / "build.py"

runpy.run_path(str(BUILD))["ffibuilder"].emit_c_code(sys.argv[1])
