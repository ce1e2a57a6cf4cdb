"""Copies a checkout without what has been built or installed in it: ``copy_source.py FROM TO``."""

import shutil
import sys

NOT_SOURCE = (
    ".git",
    ".tox",
    ".venv*",
    ".*_cache",
    ".hypothesis",
    "__pycache__",
    "build",
    "dist",
    "*.egg-info",
    "*.so",
    "_netcore.c",
)

if __name__ == "__main__":
    shutil.rmtree(sys.argv[2], ignore_errors=True)
    shutil.copytree(sys.argv[1], sys.argv[2], ignore=shutil.ignore_patterns(*NOT_SOURCE))
