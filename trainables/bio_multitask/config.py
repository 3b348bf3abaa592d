"""Settings of multi-task relation extraction with BIO-tag embeddings (Ye et al. 2019), and the published ones.

"Paper" is the text, "code" the script for English that its authors released, which departs from the text in much; the
defaults follow the text. docs/decisions/bio_multitask.md has the whole list.
"""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, field_validator
from relab.fields import overlay
from relab.method import Component, Config

from trainables.bags.config import WordChoice
from trainables.bio_multitask.extraction import ExtractionConfig

ERRORS = ("missed", "spurious", "wrong_class")
"""A relation taken for Other, Other taken for a relation, a relation taken for another."""
METRICS = (
    *("f1", "precision", "recall"),
    *("macro_f1", "macro_precision", "macro_recall"),
    *(f"{error}_share" for error in ERRORS),
)


class PairDataConfig(ExtractionConfig, WordChoice):
    """What preparing a corpus of annotated sentences depends on."""

    inside_tags: Literal["typed", "shared"] = "typed"
    """Whether the tag of an entity's tokens after the first names its type. The paper's text reads "B_T" and "B_I"."""
    min_count: int = Field(2, ge=1)
    """How often train must have a word for it to get a vector; the others share one. Not stated; at 1 the vector that
    dev's unknown words get is never trained."""


class WordConfig(Config):
    """Word vectors, or characters': drawn and trained (paper), or the corpus' pre-trained ones, trained on."""

    size: int = Field(200, ge=1)
    """Of drawn vectors; pre-trained ones bring their own."""


class TagConfig(Config):
    """An embedding of each token's BIO tag, of all entities of the sentence."""

    enabled: bool = True
    size: int = Field(50, ge=1)


class PositionConfig(Config):
    """Embeddings of each token's distances from both entities, a table for each."""

    enabled: bool = True
    size: int = Field(50, ge=1)
    """Of each distance."""
    max_distance: int = Field(30, ge=1)
    """Distances are clipped to ± this. Not stated; code: 8, of at most 16 tokens. Lin et al. 2016, code: 30."""


class EncoderConfig(Config):
    """From an instance to its vector."""

    kind: Literal["cnn", "pcnn", "eatt_bigru"] = "cnn"
    """Convolutions of several windows, or one of the systems that the paper implements for comparison: PCNN (Zeng et
    al. 2015) and a bidirectional GRU with attention by the entities (Qin et al. 2017)."""
    hidden: int = Field(64, ge=1)
    """Filters of each window (``cnn``; so does the code read the paper's "64 filters") or of the one window (``pcnn``),
    units per direction (``eatt_bigru``). Nothing is said of the last two; their presets have 230 and 100."""
    windows: tuple[int, ...] = (4, 5, 6, 7, 8, 9, 10)
    """Tokens that the convolutions of ``cnn`` see. Code: 1, 2 and 3."""
    activation: Literal["relu", "tanh"] = "relu"
    """Of ``cnn``; PCNN has ReLU. Not stated; code: ReLU."""
    pooling: Literal["max", "max_mean"] = "max"
    """What ``cnn`` keeps of a filter's outputs: the largest (paper), or beside it their mean over the tokens (code)."""
    dropout: float = Field(0.0, ge=0, lt=1)
    """Rate, on the instance's vector. Paper: none; code: 0.5."""

    @field_validator("windows")
    @classmethod
    def _sizes(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if not value or min(value) < 1 or len(set(value)) < len(value):
            raise ValueError("windows are different numbers from 1, at least one of them")
        return value


class IdentificationConfig(Config):
    """The second task: is there a relation? Cross-entropy of two classes; unused in prediction."""

    enabled: bool = True
    weight: float = Field(1.0, gt=0)
    """α; "α = β works best"."""


class ClassificationConfig(Config):
    """Which relation? A hidden layer that both tasks share, and the scores."""

    hidden: int = Field(128, ge=1)
    activation: Literal["none", "relu", "tanh"] = "tanh"
    """Of the hidden layer. Not stated. Code: ReLU, between two normalisations of the batch, which the text does not
    have; without them the many unrelated pairs drive its units below zero, from where they do not come back."""
    dropout: float = Field(0.2, ge=0, lt=1)
    """Rate, on the hidden layer."""
    bias: bool = False
    """Of the scores. Paper: none (Eq. 4); code: yes."""
    loss: Literal["ranking", "cross_entropy", "both"] = "ranking"
    """``ranking``: Other has no score. ``cross_entropy``: Other has a score as any relation, and the highest counts;
    ``both``: the sum of the two on the same scores, of which ranking and the decision leave Other's out (Table 4; how
    the last two treat Other is not stated)."""
    weight: float = Field(1.0, gt=0)
    """β."""
    scale: float = Field(2.0, gt=0)
    """γ of the ranking loss, for both languages."""
    margin_right: float = 2.5
    """m⁺. English 2.5, Chinese 4.5."""
    margin_wrong: float = 0.5
    """m⁻. English 0.5, Chinese −0.5."""
    threshold: float = 0.0
    """θ: a pair whose highest score is below is Other. English 0 (code: 0.5), Chinese 1."""


class OptimizerConfig(Config):
    """RMSprop."""

    lr: float = Field(1e-3, gt=0)
    decay: float = Field(0.9, ge=0, lt=1)
    """Of the mean square. Not stated; code: Keras' default."""
    clip_norm: float | None = Field(None, gt=0)
    """Largest norm of the whole gradient. Neither paper nor code has one."""


class TrainingConfig(Config):
    """The loop."""

    batch_size: int = Field(256, ge=1)
    """Instances."""
    epochs: int = Field(30, ge=1)
    """Not stated; code: at most 50, stopped by the loss on the test fold. Here the epoch that is best on dev counts."""
    reduction: Literal["mean", "sum"] = "mean"
    """Over a batch. The paper's equations are sums, the code takes means; to RMSprop, which divides by the gradient's
    size, a factor is next to nothing."""
    embeddings: Literal["uniform", "normal"] = "uniform"
    """How embeddings of words, tags and positions are drawn: uniform in ± 0.05, Keras' default (code), or N(0, 1),
    PyTorch's. The paper does not say."""


class PairConfig(Config):
    """Everything that a trial depends on."""

    data: PairDataConfig = PairDataConfig()
    words: WordConfig = WordConfig()
    tags: TagConfig = TagConfig()
    position: PositionConfig = PositionConfig()
    encoder: EncoderConfig = EncoderConfig()
    identification: IdentificationConfig = IdentificationConfig()
    classification: ClassificationConfig = ClassificationConfig()
    optimizer: OptimizerConfig = OptimizerConfig()
    training: TrainingConfig = TrainingConfig()


_ENGLISH: dict[str, Any] = {"data": {"direction": "undirected"}}
_CHINESE: dict[str, Any] = {
    "data": {"direction": "directed", "min_count": 1},
    "classification": {"margin_right": 4.5, "margin_wrong": -0.5, "threshold": 1.0},
}
_SINGLE: dict[str, Any] = {"tags.enabled": False, "identification.enabled": False}
_SYSTEMS: dict[str, dict[str, Any]] = {
    "": {},
    "_baseline": _SINGLE,
    "_pcnn": _SINGLE | {"encoder": {"kind": "pcnn", "hidden": 230}},
    "_eatt_bigru": _SINGLE | {"encoder": {"kind": "eatt_bigru", "hidden": 100}},
}
_SHORT: dict[str, Any] = {"data.negatives_per_positive": 5.0, "training.epochs": 5}
_SHORT_SENTENCES: dict[str, Any] = {"data.max_tokens": 40, "training": {"batch_size": 64, "epochs": 3}}

PRESETS: Mapping[str, Mapping[str, Any]] = {
    **{f"paper/english{name}": overlay(_ENGLISH, changes) for name, changes in _SYSTEMS.items()},
    **{f"paper/chinese{name}": overlay(_CHINESE, changes) for name, changes in _SYSTEMS.items()},
    "code/english": overlay(
        _ENGLISH,
        {
            "data.min_count": 1,
            "position.max_distance": 8,
            "encoder": {"windows": (1, 2, 3), "pooling": "max_mean", "dropout": 0.5},
            "classification": {"activation": "relu", "bias": True, "threshold": 0.5},
            "training.epochs": 50,
        },
    ),
    "quick": overlay(_ENGLISH, _SHORT),
    "quick/chinese": overlay(overlay(_CHINESE, _SHORT), _SHORT_SENTENCES),
    "smoke": {
        "words.size": 24,
        "tags.size": 12,
        "position.size": 8,
        "encoder": {"hidden": 8, "windows": (2, 3, 4)},
        "classification.hidden": 24,
        "optimizer.lr": 1e-2,
        "training": {"batch_size": 32, "epochs": 3},
    },
}
"""The paper's systems for both languages, with all negatives; ``code/english``, what of the released code's settings is
a field here (docs/decisions/bio_multitask.md names the rest, the input among it); ``quick``, five negatives for a
positive and few epochs, for two cores, the Chinese one of short sentences in smaller batches; ``smoke`` for a moment's
run. Tags and multi-task learning are on but in the three named systems."""

COMPONENTS = (
    Component("tags", off={"tags.enabled": False}, prose="no embedding of BIO tags: words and positions alone"),
    Component(
        "multi_task",
        off={"identification.enabled": False},
        prose="classification alone, without the loss of telling related pairs from others",
    ),
    Component(
        "ranking",
        off={"classification.loss": "cross_entropy"},
        prose="cross-entropy with a score for Other, the highest score counts",
        silences=tuple(f"classification.{name}" for name in ("margin_right", "margin_wrong", "scale", "threshold")),
    ),
    Component(
        "position_features",
        off={"position.enabled": False},
        prose="no distances from the two entities: with convolutions all pairs of a sentence look alike",
    ),
)
