"""What bag methods have in common: the settings of preparing a corpus, the names of the scores."""

from typing import Literal

from pydantic import Field
from relab.method import Config

RECALLS = (10, 20, 30, 40)
"""In percent, as the tables of Wu et al. 2017 have them."""
METRICS = (
    "average_precision",
    *(f"precision_at_{recall}" for recall in RECALLS),
    *(f"interpolated_precision_at_{recall}" for recall in RECALLS),
)


class WordChoice(Config):
    """Which words have a vector of their own."""

    vocabulary: int | None = Field(None, ge=1)
    """Only the first so many pre-trained vectors are used."""
    other_words: Literal["unknown", "drawn"] = "unknown"
    """A word without a pre-trained vector: the one vector for all unknown words, or a drawn one if train has it."""
    min_count: int = Field(1, ge=1)
    """How often train must have a word for it to get a drawn vector."""


class BagDataConfig(WordChoice):
    """What preparing a corpus of mentions depends on."""

    bags: Literal["pair", "pair_relation"] = "pair"
    """What a training bag is: all sentences of an entity pair, with a set of labels; or of a pair and a relation."""
    evaluation_bags: Literal["pair", "pair_relation"] = "pair"
    """The same for dev and test; with ``pair_relation`` a pair's other true relation counts as a false positive."""
    max_tokens: int = Field(120, ge=1)
    longer: Literal["exclude", "truncate"] = "exclude"
    """Sentences of more than ``max_tokens`` tokens: left out, or cut off (their spans with them)."""
    exclude_in_evaluation: bool = False
    """Whether ``exclude`` holds for dev and test too; a pair without a sentence left then leaves the recall's
    denominator. Off, such sentences are cut off instead."""
    max_mentions: int = Field(500, ge=1)
    """A larger bag is split; sentences in file order."""
    chunks: Literal["partition", "overlap"] = "partition"
    """How: into consecutive parts, or so that the last part is the last ``max_mentions`` ones, whatever overlaps."""
    split_in_evaluation: bool = False
    """Whether bags of dev and test are split too, which counts a pair and its positives several times."""
