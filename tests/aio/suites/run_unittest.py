"""Runs tests of a unittest suite on one loop, and notes how each has ended, in a process of its own.

    python run_unittest.py LOOP RESULTS TEST...

LOOP is what ``stand_in`` takes; a TEST is what unittest takes: a module, a class, a method. RESULTS gets a
line of JSON as each test begins (``[id]``) and as it ends (``[id, outcome, details]``), so that one that ends
the process, or hangs until it is ended, is known by name.
"""

from __future__ import annotations

import faulthandler
import json
import signal
import sys
import unittest
from pathlib import Path
from typing import TextIO

from stand_in import stand_in

PATIENCE = 60.0
"""Seconds for a test; then all threads tell where they are, and the process ends."""


class Notes(unittest.TestResult):
    """Writes down how tests end."""

    def __init__(self, file: TextIO) -> None:
        super().__init__()
        self._file = file
        self._outcome = ("passed", "")

    def _write(self, *what: str) -> None:
        self._file.write(json.dumps(what) + "\n")
        self._file.flush()

    def startTest(self, test: unittest.TestCase) -> None:
        super().startTest(test)
        self._outcome = ("passed", "")
        self._write(test.id())
        faulthandler.dump_traceback_later(PATIENCE, exit=True)

    def stopTest(self, test: unittest.TestCase) -> None:
        faulthandler.cancel_dump_traceback_later()
        super().stopTest(test)
        self._write(test.id(), *self._outcome)

    def addError(self, test, error):  # type: ignore[no-untyped-def]
        super().addError(test, error)
        self._outcome = ("failed", self._exc_info_to_string(error, test))
        if not isinstance(test, unittest.TestCase):  # a class or a module that cannot be set up
            self._write(test.id(), *self._outcome)

    def addFailure(self, test, error):  # type: ignore[no-untyped-def]
        super().addFailure(test, error)
        self._outcome = ("failed", self._exc_info_to_string(error, test))

    def addSubTest(self, test, subtest, error):  # type: ignore[no-untyped-def]
        super().addSubTest(test, subtest, error)
        if error is not None:
            self._outcome = ("failed", self._exc_info_to_string(error, test))

    def addSkip(self, test, reason):  # type: ignore[no-untyped-def]
        super().addSkip(test, reason)
        self._outcome = ("skipped", reason)
        if not isinstance(test, unittest.TestCase):
            self._write(test.id(), *self._outcome)

    def addExpectedFailure(self, test, error):  # type: ignore[no-untyped-def]
        super().addExpectedFailure(test, error)
        self._outcome = ("failed as expected", "")

    def addUnexpectedSuccess(self, test):  # type: ignore[no-untyped-def]
        super().addUnexpectedSuccess(test)
        self._outcome = ("passed unexpectedly", "")


def main(loop: str, results: str, *names: str) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell's background job ignores
    stand_in(loop)
    try:
        from test import support
    except ImportError:  # not a suite of Python's own
        pass
    else:
        support.use_resources = ["cpu", "subprocess", "walltime"]  # those that need no network
    with Path(results).open("a") as file:
        unittest.defaultTestLoader.loadTestsFromNames(names).run(Notes(file))


if __name__ == "__main__":
    main(*sys.argv[1:])
