"""What a setting's value may be, and how it is read: from text, or from a file that has types of its own."""

from __future__ import annotations

from netcore._durations import seconds

__all__ = ["Choice", "Kind", "Names", "Processes", "Seconds", "Steps", "Switch", "Text", "Whole"]

_ON = ("1", "true", "yes", "on")
_OFF = ("0", "false", "no", "off")


class Kind:
    """One kind of value.

    Attributes:
        metavar: What help shows in place of a value; ``FILE`` for paths.
        words: Values to choose from, for help and completion; empty where they cannot be listed.
    """

    metavar = ""
    words: tuple[str, ...] = ()

    def read(self, text: str) -> object:
        """Reads a value from text, such as an argument or a variable of the environment.

        Raises:
            ValueError: It is none; the message says what was expected.
        """
        raise NotImplementedError

    def take(self, value: object) -> object:
        """Takes a value that has a type already, as TOML's have.

        Raises:
            ValueError: It is none of this kind.
        """
        raise NotImplementedError


class Switch(Kind):
    """On or off."""

    words = ("true", "false")

    def read(self, text: str) -> bool:
        """See ``Kind.read``: a few words are understood, in whatever case."""
        word = text.strip().lower()
        if word not in _ON + _OFF:
            raise ValueError(f"{text!r} is neither on (1, true, yes) nor off (0, false, no)")
        return word in _ON

    def take(self, value: object) -> bool:
        """See ``Kind.take``."""
        if not isinstance(value, bool):
            raise ValueError(f"{value!r} is neither true nor false")
        return value


class Whole(Kind):
    """A whole number.

    Args:
        least: The smallest that there may be.
        metavar: See ``Kind``.
    """

    def __init__(self, least: int = 0, metavar: str = "N") -> None:
        self._least = least
        self.metavar = metavar

    def read(self, text: str) -> int:
        """See ``Kind.read``."""
        try:
            value = int(text)
        except ValueError:
            value = self._least - 1
        return self._checked(value, text)

    def take(self, value: object) -> int:
        """See ``Kind.take``."""
        right = isinstance(value, int) and not isinstance(value, bool)
        return self._checked(value if right else self._least - 1, value)  # type: ignore[arg-type]

    def _checked(self, value: int, said: object) -> int:
        if value < self._least:
            raise ValueError(f"{said!r} is no whole number from {self._least} up")
        return value


class Steps(Whole):
    """A switch that can be on more than once: off is 0 and on is 1, and the numbers beyond are more of it.

    Args:
        most: The largest number.
    """

    def __init__(self, most: int) -> None:
        self.words = tuple(str(step) for step in range(most + 1))
        super().__init__(0, "|".join(self.words))

    def read(self, text: str) -> int:
        """See ``Kind.read``: the words of a ``Switch`` are understood, too."""
        word = text.strip().lower()
        if word in _ON + _OFF:
            return int(word in _ON)
        return self._checked(int(word) if word in self.words else -1, text)

    def take(self, value: object) -> int:
        """See ``Kind.take``."""
        return self._checked(value if isinstance(value, int) else -1, value)

    def _checked(self, value: int, said: object) -> int:
        if not 0 <= value < len(self.words):
            raise ValueError(f"{said!r} is none of {', '.join(self.words)}")
        return int(value)


class Processes(Whole):
    """How many processes: a whole number, or ``auto``, which is 0 as ``Supervisor`` has it."""

    words = ("auto",)

    def __init__(self) -> None:
        super().__init__(1, "N|auto")

    def _checked(self, value: int, said: object) -> int:
        if said == "auto":
            return 0
        if value < 1:
            raise ValueError(f"{said!r} is neither a whole number from 1 up nor auto")
        return value


class Seconds(Kind):
    """A duration: seconds, zero or above, and ``inf`` for endless."""

    metavar = "S"

    def read(self, text: str) -> float:
        """See ``Kind.read``."""
        try:
            return seconds(float(text), text)
        except ValueError:
            raise ValueError(f"{text!r} is no number of seconds") from None

    def take(self, value: object) -> float:
        """See ``Kind.take``."""
        try:
            return seconds(value, "it")
        except (TypeError, ValueError):
            raise ValueError(f"{value!r} is no number of seconds") from None


class Text(Kind):
    """Any text.

    Args:
        metavar: See ``Kind``.
        words: Those that are known, among others.
    """

    def __init__(self, metavar: str, words: tuple[str, ...] = ()) -> None:
        self.metavar = metavar
        self.words = words

    def read(self, text: str) -> str:
        """See ``Kind.read``; nothing is wrong."""
        return text

    def take(self, value: object) -> str:
        """See ``Kind.take``."""
        if not isinstance(value, str):
            raise ValueError(f"{value!r} is no text")
        return value


class Choice(Text):
    """One of a few words, in whatever case."""

    def read(self, text: str) -> str:
        """See ``Kind.read``."""
        word = text.strip().lower()
        if word not in self.words:
            raise ValueError(f"{text!r} is none of {', '.join(self.words)}")
        return word

    def take(self, value: object) -> str:
        """See ``Kind.take``."""
        return self.read(super().take(value))


class Names(Kind):
    """Several texts: with commas in between, or a list.

    Args:
        metavar: See ``Kind``.
        example: Of such text.
    """

    def __init__(self, metavar: str, example: str) -> None:
        self.metavar = metavar
        self._example = example

    def read(self, text: str) -> tuple[str, ...]:
        """See ``Kind.read``."""
        names = tuple(name.strip() for name in text.split(","))
        if not all(names):
            raise ValueError(f"{text!r} is no list of names such as {self._example}")
        return names

    def take(self, value: object) -> tuple[str, ...]:
        """See ``Kind.take``."""
        if not isinstance(value, list) or not all(isinstance(name, str) and name for name in value):
            raise ValueError(f"{value!r} is no list of texts")
        return tuple(value)
