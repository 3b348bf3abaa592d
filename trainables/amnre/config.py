"""Settings of adversarial multi-lingual relation extraction (Wang et al. 2018), and the published ones.

"Paper" is the text, "code" the PyTorch code that its authors released; where they disagree, the field says which is the
default. docs/decisions/amnre.md has the whole list.
"""

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import Field, model_validator
from relab.method import Component, Config

from trainables.bags.config import BagDataConfig


class DataConfig(BagDataConfig):
    """What preparing a corpus depends on."""

    bags: Literal["pair", "pair_relation"] = "pair_relation"
    """Paper and code: a training bag has one label. With ``pair``, −log p is summed over a bag's labels."""
    evaluation_bags: Literal["pair", "pair_relation"] = "pair"
    """Code: ``pair_relation``, in which a pair's other true relation counts as a false positive."""
    max_tokens: int = Field(85, ge=1)
    """Code: 70 English tokens, 85 Chinese ones."""
    longer: Literal["exclude", "truncate"] = "truncate"
    """Code: cut off."""


class WordConfig(Config):
    """Word vectors; every encoder has a table of its own (code)."""

    trainable: bool = True
    """Code: the pre-trained vectors are where training starts. The paper does not say."""
    size: int = Field(50, ge=1)
    """Dimension in a language without pre-trained vectors."""


class EncoderConfig(Config):
    """From a sentence to its vector, alike for individual and consistent encoders."""

    kind: Literal["cnn", "rnn"] = "cnn"
    hidden: int = Field(230, ge=1)
    """CNN: channels, of windows of three tokens. RNN: units per direction (paper: 200)."""
    projection: int | None = Field(None, ge=1)
    """RNN: size of a linear layer with tanh behind the two last states. Code: 200 behind 100 units per direction."""
    position_size: int = Field(5, ge=1)
    """Of the embedding of the distance to one entity."""
    max_distance: int = Field(30, ge=1)
    """Distances are clipped to ± this (code)."""


class IndividualConfig(Config):
    """The encoder of each language on its own, and who judges its sentences."""

    heads: Literal["own", "shared", "every"] = "own"
    """A head is a table of attention queries with a classifier: each language has its ``own``; all have a ``shared``
    one ("Share"); or ``every`` language's head judges every language's sentences (MNRE, Lin et al. 2017)."""
    tied: bool = False
    """One vector per relation is both query and row of the classifier, as in Lin et al. 2017; how the paper's own
    MNRE does it is unknown."""


class ConsistentConfig(Config):
    """The second encoder of each language; all of them share one space and one head."""

    enabled: bool = True


class AdversarialConfig(Config):
    """A discriminator tells the language of a consistent vector, and the consistent encoders fool it."""

    enabled: bool = True
    layers: Literal[2, 3] = 3
    """Linear layers of the discriminator. Code: 3; paper: 2. Either ends in a softmax over the languages, which for two
    of them is the code's sigmoid."""
    hidden: int = Field(2048, ge=1)
    smoothing: float = Field(0.1, ge=0, lt=1)
    """The target leaves this much for the other languages. Code: 0.1; paper: 0."""
    encoder_loss: Literal["flipped", "negated"] = "flipped"
    """``flipped``: cross-entropy with exchanged targets (code). ``negated``: the discriminator's loss with the opposite
    sign (paper), which has no lower bound, and no gradient where the discriminator is sure."""
    discriminator_weight: float = Field(1.0, ge=0)
    """λ1. Paper and code: 1, their balance is in ``steps``. Since all steps share one learning rate, small corpora need
    more: the extraction loss is a sum, and the means beside it hardly move anything."""
    encoder_weight: float = Field(1.0, ge=0)
    """λ2, likewise."""
    reduction: Literal["mean", "sum"] = "mean"
    """Of the discriminator's and the encoders' losses over the sentences of a batch. Code: mean; paper: sum."""


class OrthogonalityConfig(Config):
    """The penalty on what individual and consistent vectors share."""

    enabled: bool = True
    weight: float = Field(0.02, ge=0)
    """λ3. The forms' scales differ by orders of magnitude: the printed value goes with the code's."""
    form: Literal["paper", "code", "code_2018"] = "code"
    """``code_2018`` compares the consistent vectors with themselves, as the code did until 2020, and so very probably
    what the published rows were measured with."""


class StepsConfig(Config):
    """Steps for each batch, in this order (code): discriminator, encoders, extraction."""

    discriminator: int = Field(1, ge=0)
    encoder: int = Field(5, ge=0)
    extraction: int = Field(1, ge=1)


class DropoutConfig(Config):
    """Drop rates."""

    output: float = Field(0.5, ge=0, lt=1)
    """CNN: of the sentence vector."""
    embedding: float = Field(0.5, ge=0, lt=1)
    """RNN: of words and positions."""
    discriminator: float = Field(0.1, ge=0, lt=1)
    """Of the discriminator's input, while it learns."""


class OptimizerConfig(Config):
    """Plain SGD, one optimiser for each kind of step."""

    lr: float = Field(2e-3, gt=0)
    """Of all three. Paper: 0.002; code: 0.001."""
    plateau: bool = False
    """Multiply by 0.4 after a third epoch in a row without a better dev score. Code: for the RNN, on the test score."""


class TrainingConfig(Config):
    """The loop."""

    batch_size: int = Field(160, ge=1)
    """Bags. Code: 100 for the RNN."""
    epochs: int = Field(60, ge=1)
    """Code: 60 (CNN), 50 (RNN). The paper does not say; the epoch best on dev counts."""
    queries: Literal["normal", "small"] = "normal"
    """Attention queries start from N(0, 1) (code), which in 230 dimensions leaves nearly all weight on one sentence; or
    as small as a linear layer's weights."""


class AmnreConfig(Config):
    """Everything that a trial depends on."""

    data: DataConfig = DataConfig()
    languages: tuple[str, ...] | None = Field(None, min_length=1)
    """Whose sentences are read; all languages of the corpus by default."""
    missing_language: Literal["prior", "skip_factor"] = "prior"
    """A language without a sentence in a bag: its classifier judges a zero vector, that is, by its bias (code); or it
    has no factor, so that bags with fewer languages rank higher. The paper does not say."""
    words: WordConfig = WordConfig()
    encoder: EncoderConfig = EncoderConfig()
    individual: IndividualConfig = IndividualConfig()
    consistent: ConsistentConfig = ConsistentConfig()
    adversarial: AdversarialConfig = AdversarialConfig()
    orthogonality: OrthogonalityConfig = OrthogonalityConfig()
    steps: StepsConfig = StepsConfig()
    dropout: DropoutConfig = DropoutConfig()
    optimizer: OptimizerConfig = OptimizerConfig()
    training: TrainingConfig = TrainingConfig()

    @model_validator(mode="after")
    def _what_needs_the_consistent_space(self) -> Self:
        if not self.consistent.enabled:
            for name in ("adversarial", "orthogonality"):
                if getattr(self, name).enabled:
                    raise ValueError(f"{name}.enabled needs the consistent encoders: set `{name}.enabled: false`")
        if self.adversarial.enabled and self.languages is not None and len(set(self.languages)) < 2:
            raise ValueError("adversarial.enabled needs two languages: set `adversarial.enabled: false`")
        return self


_RNN = {"encoder": {"kind": "rnn", "hidden": 200}}
_PAPER: dict[str, Any] = {
    "adversarial": {"layers": 2, "smoothing": 0.0, "encoder_loss": "negated", "reduction": "sum"},
    "orthogonality": {"form": "paper"},
}
_CODE: dict[str, Any] = {"data": {"evaluation_bags": "pair_relation"}, "optimizer": {"lr": 1e-3}}
_QUICK: dict[str, Any] = {
    "encoder": {"hidden": 100},
    "adversarial": {"hidden": 256, "discriminator_weight": 60.0, "encoder_weight": 6.0},
    "steps": {"discriminator": 5, "encoder": 1},
    "optimizer": {"lr": 5e-3},
    "training": {"batch_size": 32, "epochs": 15, "queries": "small"},
}

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "paper/cnn": _PAPER,
    "paper/rnn": _PAPER | _RNN,
    "code/cnn": _CODE,
    "code/rnn": {
        "data": {"evaluation_bags": "pair_relation"},
        "encoder": {"kind": "rnn", "hidden": 100, "projection": 200},
        "optimizer": {"lr": 1e-3, "plateau": True},
        "training": {"batch_size": 100, "epochs": 50},
    },
    "quick": _QUICK,
    "smoke": {
        "encoder": {"hidden": 16},
        "adversarial": {"hidden": 16},
        "optimizer": {"lr": 2e-2},
        "training": {"batch_size": 8, "epochs": 3},
    },
}
"""The paper's text to the letter, with which the consistent vectors saturate on a generated corpus within an epoch; its
code; ``quick`` for two cores, in whose few steps the discriminator has to learn faster than the encoders, or fooling it
means nothing; ``smoke`` for a moment's run."""

COMPONENTS = (
    Component(
        "consistent_space",
        off={"consistent.enabled": False, "adversarial.enabled": False, "orthogonality.enabled": False},
        prose="one encoder per language, each judged on its own: no consistent vectors",
    ),
    Component(
        "adversarial_training",
        off={"adversarial.enabled": False},
        requires=("consistent_space",),
        prose="no discriminator: nothing makes the consistent vectors alike across languages (noA)",
    ),
    Component(
        "orthogonality",
        off={"orthogonality.enabled": False},
        requires=("consistent_space",),
        prose="no penalty on what individual and consistent vectors share (noO)",
    ),
)
