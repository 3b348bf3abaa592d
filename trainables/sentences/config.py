"""The settings of preparing a corpus of labelled sentences."""

from typing import Literal

from pydantic import Field

from trainables.bags.config import WordChoice


class SentenceDataConfig(WordChoice):
    """What preparing a corpus of labelled sentences depends on."""

    max_tokens: int = Field(256, ge=1)
    """Longer sentences are left out of train. Code: 256 for NYT, 100 for TACRED; distances are clipped there."""
    exclude_in_evaluation: bool = False
    """Whether they are left out of the other splits too (code), and so out of the recall's denominator."""
    lower: bool = True
    """Words in lower case. Code: for NYT, not for TACRED."""
    encoder: str | None = None
    """A folder or a hub's name of an encoder that ``transformers`` loads. What it holds is not looked at when prepared
    corpora are cached: another encoder needs another name."""
    encoder_as: Literal["vectors", "pieces"] = "vectors"
    """What is prepared for it: its frozen vectors of all words, or word pieces, for an encoder that is trained."""
