"""What the conformance checks share: how a rule states its demand, and how rules are run."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Protocol, TypeVar

__all__ = ["expect_raises", "put_to_test", "require", "run_rules"]

SubjectT = TypeVar("SubjectT")


class Bench(Protocol):
    """What a rule works on, with descriptors of its own."""

    def close(self) -> None:
        """Closes them."""


BenchT = TypeVar("BenchT", bound=Bench)


def require(holds: object, sentence: str) -> None:
    """Raises ``AssertionError`` with a sentence unless something holds; unlike ``assert`` also under -O."""
    if not holds:
        raise AssertionError(sentence)


def expect_raises(expected: type[Exception], call: Callable[[], object], action: str) -> None:
    """Requires that a call raises an exception.

    Args:
        expected: The class that the exception must have.
        call: What to try.
        action: The subject of the sentence for the failure, such as "registering a descriptor twice".
    """
    try:
        call()
    except expected:
        return
    except Exception as error:
        raise AssertionError(f"{action} raises {error!r} instead of {expected.__name__}.") from error
    raise AssertionError(f"{action} does not raise {expected.__name__}.")


def put_to_test(rule: Callable[[BenchT], None], bench: BenchT) -> None:
    """Applies a rule, and closes its bench whatever comes of that."""
    try:
        rule(bench)
    except BaseException:
        with suppress(Exception):  # what went wrong first is what is to be told
            bench.close()
        raise
    bench.close()


def run_rules(
    kind: str, rules: Iterable[Callable[[SubjectT], None]], run: Callable[[Callable[[SubjectT], None]], None]
) -> None:
    """Runs rule after rule, and turns exceptions that no rule expects into sentences.

    Args:
        kind: What is being checked, such as "poller".
        rules: Functions of one fresh subject; a function's name is the title of its rule.
        run: Makes a subject, passes it to the rule, and cleans up.
    """
    for rule in rules:
        try:
            run(rule)
        except AssertionError:
            raise
        except Exception as error:
            title = rule.__name__.strip("_").replace("_", " ")
            raise AssertionError(f'while checking "{title}", the {kind} raised {error!r}.') from error
