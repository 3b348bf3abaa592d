"""Wrong labels put into the training split of a clean corpus (Ma et al. 2021, noisy-TACRED).

Each item's draws depend on the seed and its place alone: a larger share changes the labels that a smaller one changes,
to the same ones, and others besides.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate
from typing import Annotated, Literal

from pydantic import Field
from relab.corpus import digest
from relab.errors import RequestError
from relab.method import Config

from trainables.corpora.sentences import NO_RELATION, LabelledSentence


class NoiseOptions(Config):
    """How many training labels are changed; dev and test keep theirs."""

    noise: Annotated[float, Field(ge=0, le=1)] = 0.0
    """The probability with which each training item that ``noise_from`` names gets another label. That one is drawn in
    proportion to the frequencies of all labels in train, as often as it takes to be another (Code)."""
    noise_seed: Annotated[int, Field(ge=0)] = 0
    noise_from: Literal["all", "NA"] = "all"
    """``NA`` changes no label but NA: every wrong label is then a false positive."""


def with_noise(
    items: Sequence[LabelledSentence], options: NoiseOptions, counts: Counter[str]
) -> tuple[LabelledSentence, ...]:
    """The items with the noise of ``options`` in ``relation`` and the truth in ``clean``; ``counts`` is added to.

    Raises:
        RequestError: only one label, or items that already have a ``clean`` one.
    """
    if any(item.clean is not None for item in items):
        raise RequestError("noise: the training labels are noisy already; leave it out")
    frequencies = Counter(item.relation for item in items)
    if options.noise and len(frequencies) < 2:
        raise RequestError(f"noise: needs two labels to change one for another, train has {len(frequencies)}")
    others = {label: _Weighted(frequencies, label) for label in frequencies}
    made = []
    for place, item in enumerate(items):
        relation = item.relation
        if options.noise_from == "all" or relation == NO_RELATION:
            if _uniform("noise", options.noise_seed, place) < options.noise:
                relation = others[item.relation].at(_uniform("noise label", options.noise_seed, place))
                counts["training labels changed"] += 1
                counts["training labels changed from NA"] += item.relation == NO_RELATION
        made.append(replace(item, relation=relation, clean=item.relation))
    return tuple(made)


class _Weighted:
    """The labels other than one, by frequency: what drawing from all until it is another label comes to."""

    def __init__(self, frequencies: Counter[str], without: str) -> None:
        self._labels = sorted(label for label in frequencies if label != without)
        self._bounds = list(accumulate(frequencies[label] for label in self._labels))

    def at(self, drawn: float) -> str:
        """The label for a number in [0, 1)."""
        return self._labels[bisect_right(self._bounds, drawn * self._bounds[-1])]


def _uniform(purpose: str, seed: int, place: int) -> float:
    """In [0, 1), 53 bits."""
    return int(digest(purpose, str(seed), str(place))[:16], 16) // 2**11 * 2.0**-53
