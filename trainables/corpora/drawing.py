"""Random choices from which generated corpora are made: equal seeds give equal ones on every platform."""

import random
from collections.abc import Sequence
from typing import TypeVar

CONSONANTS, VOWELS = "bdfgklmnprstvz", "aeiou"

T = TypeVar("T")


class Draw:
    """Choices of one stream; only ``random.Random.random`` is asked, whose sequence Python keeps between versions."""

    def __init__(self, seed: str, used: set[str] | None = None) -> None:
        """``used``: the stems that were made before, if others share them."""
        self._random = random.Random(seed)
        self._used = set() if used is None else used

    def chance(self, share: float) -> bool:
        return self._random.random() < share

    def below(self, count: int) -> int:
        return int(self._random.random() * count)

    def one(self, *choices: T) -> T:
        return choices[self.below(len(choices))]

    def uniform(self) -> float:
        """In [−1, 1)."""
        return 2 * self._random.random() - 1

    def shuffled(self, items: Sequence[T]) -> list[T]:
        made = list(items)
        for last in range(len(made) - 1, 0, -1):
            place = self.below(last + 1)
            made[place], made[last] = made[last], made[place]
        return made

    def stem(self) -> str:
        """Two or three syllables that were not made before."""
        while True:
            syllables = [self.one(*CONSONANTS) + self.one(*VOWELS) for _ in range(2 + self.below(2))]
            stem = "".join(syllables)
            if stem not in self._used:
                self._used.add(stem)
                return stem
