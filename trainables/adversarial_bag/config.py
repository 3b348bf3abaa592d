"""Settings of bag-level extraction with adversarial training (Wu, Bamman and Russell 2017), and the published ones.

"Paper" is the EMNLP 2017 text, "code" the TensorFlow code that its authors released; where they disagree, the field
says which is the default. docs/decisions/adversarial_bag.md has the whole list.
"""

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import Field, model_validator
from relab.fields import overlay
from relab.method import Component, Config

from trainables.bags.config import BagDataConfig


class WordConfig(Config):
    """Word vectors: the corpus' pre-trained ones, or drawn and trained where it has none."""

    trainable: bool = False
    """Code: frozen, but for the vectors of unknown words and of the end mark. The paper does not say."""
    size: int = Field(50, ge=1)
    """Dimension of drawn vectors; pre-trained ones bring their own."""


class EncoderConfig(Config):
    """From a sentence to its vector."""

    kind: Literal["pcnn", "gru"] = "pcnn"
    """PCNN, or the last states of a bidirectional GRU ("RNN" in the paper), in TensorFlow's form."""
    hidden: int = Field(230, ge=1)
    """Channels, or units per direction."""


class PositionConfig(Config):
    """What is said of each token's place beside its word vector."""

    kind: Literal["embedding", "marked", "told_apart", "none"] = "embedding"
    """Embedded distances from both entities (PCNN); or constants (RNN): ones in the tokens of either entity
    (``marked``, paper), or in half of the dimensions for each entity (``told_apart``, code). With ``marked`` a sentence
    says of (a, b) what it says of (b, a)."""
    size: int = Field(5, ge=1)
    """Of each distance's embedding, of the mark, or of each half of the told-apart mark."""
    max_distance: int = Field(30, ge=1)
    """Distances are clipped to ± this. Neither paper nor scripts say; 30 is that of Lin et al. 2016, code."""


class LossConfig(Config):
    """The loss of a bag; batches take the mean over bags."""

    form: Literal["own_softmax", "sigmoid", "joint_softmax", "sampled_sigmoid"] = "own_softmax"
    """``own_softmax`` (paper): −Σ log P(r|X) over the bag's relations, NA included, P(r|X) being entry r of the softmax
    that r's own attended vector gives. The others look at the logit alone that a relation gives itself. ``sigmoid``
    (code's default, used by its scripts): binary cross-entropy of each relation but NA. ``joint_softmax``: −log of the
    bag's relations' share in one softmax. ``sampled_sigmoid``: ``sigmoid`` with chosen or weighted negatives."""
    bias: bool = True
    """A bias per relation. Paper: yes; code: none, in any loss."""
    negatives: int = 0
    """Of ``sampled_sigmoid``. K > 0: each bag's positives and K − (their number) drawn negatives. K < 0: all negatives,
    together weighing |K| times the positives; in NA bags each weighs 1."""


class AdversarialConfig(Config):
    """Adversarial training: the loss of X + e alone, ‖e‖ = ε, along the gradient of the loss of X."""

    enabled: bool = False
    epsilon: float = Field(0.01, ge=0)
    """NYT: PCNN 0.01, RNN 0.02; UW: 0.05 and 0.5 (paper). The released scripts have 0.2 and 2 for the RNN."""
    scope: Literal["bag", "sentence", "batch"] = "bag"
    """What has norm ε together. Paper: the words of all sentences of a bag; code's default: those of each sentence."""
    only_positive: bool = False
    """The gradient is of the positive relations' terms alone, so that NA bags are not perturbed; an option of the code,
    for its sigmoid losses."""


class DropoutConfig(Config):
    """Drop rates."""

    words: float = Field(0.0, ge=0, lt=1)
    """Of word embeddings. Paper: 0.5, but none for the PCNN on NYT."""
    sentence: float = Field(0.5, ge=0, lt=1)
    """Of sentence vectors."""
    position: float = Field(0.0, ge=0, lt=1)
    """Of position embeddings. Paper: never; code: as of words."""


class OptimizerConfig(Config):
    """Adam."""

    lr: float = Field(1e-3, gt=0)
    clip_norm: float | None = Field(10.0, gt=0)
    """Largest norm of the gradient of each parameter but the embeddings (code). The paper does not say."""


class TrainingConfig(Config):
    """The loop."""

    batch_size: int = Field(50, ge=1)
    """Bags."""
    epochs: int = Field(10, ge=1)
    """Code: 10. The paper does not say; the epoch best on dev counts."""
    patience: int = Field(10, ge=1)
    """Epochs without a better dev score, after which training stops. Paper and code have no such thing."""


class BagConfig(Config):
    """Everything that a trial depends on."""

    data: BagDataConfig = BagDataConfig()
    words: WordConfig = WordConfig()
    encoder: EncoderConfig = EncoderConfig()
    position: PositionConfig = PositionConfig()
    attention: Literal["selective", "average"] = "selective"
    """Weights of a bag's sentences: by each relation's query, or all equal."""
    loss: LossConfig = LossConfig()
    adversarial: AdversarialConfig = AdversarialConfig()
    dropout: DropoutConfig = DropoutConfig()
    optimizer: OptimizerConfig = OptimizerConfig()
    training: TrainingConfig = TrainingConfig()

    @model_validator(mode="after")
    def _what_goes_together(self) -> Self:
        if (self.loss.form == "sampled_sigmoid") != (self.loss.negatives != 0):
            raise ValueError("`loss.form: sampled_sigmoid` and a `loss.negatives` other than 0 go together")
        if self.adversarial.only_positive and self.loss.form not in ("sigmoid", "sampled_sigmoid"):
            raise ValueError("adversarial.only_positive needs `loss.form: sigmoid` or `sampled_sigmoid`")
        return self


_NYT: dict[str, Any] = {"data": {"max_tokens": 145, "vocabulary": 80_000}}
_UW: dict[str, Any] = {"data": {"max_tokens": 120, "vocabulary": 60_000}}
_CODE: dict[str, Any] = {
    "data.exclude_in_evaluation": True,
    "data.chunks": "overlap",
    "data.split_in_evaluation": True,
    "position.kind": "told_apart",
    "loss": {"form": "sigmoid", "bias": False},
    "adversarial": {"enabled": True, "scope": "sentence"},
}


def _pcnn(channels: int, words: float, epsilon: float) -> dict[str, Any]:
    return {
        "encoder": {"kind": "pcnn", "hidden": channels},
        "position": {"kind": "embedding", "size": 5},
        "dropout": {"words": words, "sentence": 0.5},
        "adversarial": {"epsilon": epsilon},
    }


def _rnn(units: int, epsilon: float) -> dict[str, Any]:
    return {
        "encoder": {"kind": "gru", "hidden": units},
        "position": {"kind": "marked", "size": 3},
        "dropout": {"words": 0.5, "sentence": 0.5},
        "adversarial": {"epsilon": epsilon},
    }


_PAPER: dict[str, dict[str, Any]] = {
    "paper/nyt_pcnn": _NYT | _pcnn(230, 0.0, 0.01),
    "paper/nyt_rnn": _NYT | _rnn(150, 0.02),
    "paper/uw_pcnn": _UW | _pcnn(250, 0.5, 0.05),
    "paper/uw_rnn": _UW | _rnn(200, 0.5),
}

PRESETS: Mapping[str, Mapping[str, Any]] = {
    **_PAPER,
    **{f"{name}_adv": overlay(preset, {"adversarial.enabled": True}) for name, preset in _PAPER.items()},
    "code/nyt_rnn": overlay(_PAPER["paper/nyt_rnn"], _CODE | {"data.max_tokens": 144, "adversarial.epsilon": 0.2}),
    "code/uw_rnn": overlay(_PAPER["paper/uw_rnn"], _CODE | {"data.max_tokens": 119, "adversarial.epsilon": 2.0}),
    "quick": overlay(_PAPER["paper/nyt_pcnn"], {"optimizer.lr": 3e-3, "training.epochs": 5}),
    "smoke": {"encoder.hidden": 16, "optimizer.lr": 1e-2, "training": {"batch_size": 8, "epochs": 3}},
}
"""The paper's systems with adversarial training off and on, the released scripts, ``quick`` for two cores, ``smoke``
for a moment's run."""

COMPONENTS = (
    Component(
        "adversarial_training",
        off={"adversarial.enabled": False},
        prose="the loss of the words as they are, in place of that of the perturbed words",
    ),
    Component(
        "selective_attention",
        off={"attention": "average"},
        prose="all sentences of a bag weigh the same",
    ),
    Component(
        "position_features",
        off={"position.kind": "none", "dropout.position": 0.0},
        prose="word vectors alone; the pieces of a PCNN still depend on the entities' places",
    ),
    Component(
        "word_dropout",
        off={"dropout.words": 0.0},
        prose="word vectors are never dropped, sentence vectors are",
    ),
)
