"""Settings of joint extraction with multi-head selection (Bekoulis et al. 2018), and the published ones.

"Paper" is the EMNLP 2018 text, "code" its released TensorFlow configuration; where they disagree, the field says which
is the default. docs/decisions/joint_head_selection.md has the whole list.
"""

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import Field, model_validator
from relab.method import Component, Config

Rate = Field(ge=0, lt=1)

METRICS = (
    "overall_f1",
    "entity_f1",
    "entity_precision",
    "entity_recall",
    "relation_f1",
    "relation_precision",
    "relation_recall",
)


class DataConfig(Config):
    """What preparing a corpus depends on."""

    inventory: Literal["all_splits", "train"] = "all_splits"
    """Where characters are collected: the code takes the union of train, dev and test. Tags and relations are always
    those of all splits, so that no gold is lost."""


class WordConfig(Config):
    """Word vectors: the corpus' pre-trained ones, or drawn and trained where it has none."""

    trainable: bool = False
    """Code: frozen. The paper does not say."""
    size: int = Field(50, ge=1)
    """Dimension of drawn vectors; pre-trained ones bring their own."""


class CharacterConfig(Config):
    """Bidirectional LSTM over the characters of a word; its last states are appended to the word's vector."""

    enabled: bool = True
    embedding: int = Field(25, ge=1)
    hidden: int = Field(25, ge=1)
    """Units per direction."""


class EncoderConfig(Config):
    """Stacked bidirectional LSTMs over the sentence (code)."""

    layers: int = Field(3, ge=1)
    hidden: int = Field(64, ge=1)
    """Units per direction."""


class EntityConfig(Config):
    """The entity head: ``bio`` tags the words, ``classes`` types the words of given spans (CoNLL04 EC)."""

    scheme: Literal["bio", "classes"] = "bio"
    crf: bool = True
    """A linear-chain CRF over the tags; off: softmax per word over the same tags."""
    hidden: int = Field(64, ge=1)
    activation: Literal["tanh", "relu"] = "tanh"


class LabelEmbeddingConfig(Config):
    """Embedding of a word's entity tag, gold in training and predicted otherwise, for the relation head."""

    enabled: bool = False
    """Paper: part of the model. Code: size 0 in every CoNLL04 configuration, 25 for DREC."""
    size: int = Field(25, ge=1)


class RelationConfig(Config):
    """The head-selection layer: a score for each (word, head, relation)."""

    hidden: int = Field(64, ge=1)
    activation: Literal["tanh", "relu"] = "tanh"
    loss: Literal["all_cells", "gold_cells"] = "all_cells"
    """Code: binary cross-entropy over all n·n·R cells. Paper, Eq. 1: −log p of the gold cells alone, which trains no
    usable threshold."""


class AdversarialConfig(Config):
    """Adversarial training: L(w) + L(w + η), ‖η‖ = α·√D over a sentence, along the gradient of the joint loss."""

    enabled: bool = False
    alpha: float = Field(0.01, ge=0)
    """CoNLL04 NER 0.01, CoNLL04 EC and DREC 0.001 (code); searched in {5e-2, 1e-2, 1e-3, 1e-4} (paper)."""


class DropoutConfig(Config):
    """Drop rates; the code's 0.9 and 0.7 are the probabilities to keep."""

    embedding: float = Field(0.1, ge=0, lt=1)
    between_layers: float = Field(0.1, ge=0, lt=1)
    output: float = Field(0.1, ge=0, lt=1)


class OptimizerConfig(Config):
    """Adam."""

    lr: float = Field(1e-3, gt=0)
    clip_value: float | None = Field(None, gt=0)
    """Clip each gradient entry to ± this; an option of the code (± 1), off in its configurations."""


class TrainingConfig(Config):
    """The loop."""

    batch_size: int = Field(1, ge=1)
    """Code: one sentence per step."""
    shuffle: bool = True
    """A new order in every epoch. Code: the file's order."""
    initialisation: Literal["glorot", "glorot_zero_bias"] = "glorot_zero_bias"
    """Glorot-uniform weights. Code: ``glorot``, TensorFlow's default for everything, bias vectors included."""
    max_epochs: int = Field(150, ge=1)
    patience: int = Field(30, ge=1)
    """Epochs without a dev score as good as the best, after which training stops."""
    second_phase: bool = False
    """Code: train again from scratch on train and dev, for as many epochs as ``stop_at`` says; those weights count."""
    stop_at: Literal["best_epoch", "stop_epoch"] = "best_epoch"
    """How long the second phase trains: up to the best epoch, or (code) to the epoch in which the first one stopped."""


class EvaluationConfig(Config):
    """How a predicted entity or relation matches a gold one."""

    matching: Literal["strict", "boundaries", "relaxed"] = "strict"
    count_other: bool = False
    """Relaxed: whether the type "Other" is among the types averaged over; the code's returned variant leaves it out."""


class JointConfig(Config):
    """Everything that a trial depends on."""

    data: DataConfig = DataConfig()
    words: WordConfig = WordConfig()
    characters: CharacterConfig = CharacterConfig()
    encoder: EncoderConfig = EncoderConfig()
    entities: EntityConfig = EntityConfig()
    label_embedding: LabelEmbeddingConfig = LabelEmbeddingConfig()
    relations: RelationConfig = RelationConfig()
    adversarial: AdversarialConfig = AdversarialConfig()
    dropout: DropoutConfig = DropoutConfig()
    optimizer: OptimizerConfig = OptimizerConfig()
    training: TrainingConfig = TrainingConfig()
    evaluation: EvaluationConfig = EvaluationConfig()

    @model_validator(mode="after")
    def _scheme_and_matching(self) -> Self:
        classes = self.entities.scheme == "classes"
        if classes and self.entities.crf:
            raise ValueError("entities.crf needs BIO tags: with `entities.scheme: classes` set `entities.crf: false`")
        if classes != (self.evaluation.matching == "relaxed"):
            raise ValueError("`entities.scheme: classes` and `evaluation.matching: relaxed` go together")
        return self


def _code(
    epochs: int, patience: int, keep: float = 0.9, label: bool = False, alpha: float | None = None
) -> dict[str, Any]:
    """One of the released configurations."""
    drop = round(1 - keep, 3)
    settings: dict[str, Any] = {
        "dropout": {"embedding": drop, "between_layers": drop, "output": drop},
        "label_embedding": {"enabled": label},
        "training": {"max_epochs": epochs, "patience": patience},
    }
    return settings if alpha is None else settings | {"adversarial": {"enabled": True, "alpha": alpha}}


_CLASSES = {"entities": {"scheme": "classes", "crf": False}, "evaluation": {"matching": "relaxed"}}
_BATCHED = {
    "training": {"batch_size": 8, "max_epochs": 40, "patience": 15},
    "optimizer": {"lr": 3e-3, "clip_value": 0.02},
}
"""For speed. At first the sum over all n·n·R cells gives gradients far above those of later; Adam's second moment
forgets them only over thousands of steps, in which training all but stands still. Clipping every entry ends that."""

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "paper/conll04_bio": _code(150, 30),
    "paper/conll04_bio_adv": _code(130, 40, alpha=0.01),
    "paper/conll04_ec": _code(150, 50) | _CLASSES,
    "paper/conll04_ec_adv": _code(150, 50, alpha=0.001) | _CLASSES,
    "paper/drec_bio": _code(50, 30, keep=0.7, label=True),
    "paper/drec_bio_adv": _code(60, 35, keep=0.7, label=True, alpha=0.001),
    "batched": _BATCHED,
    "smoke": {"training": {"batch_size": 8, "max_epochs": 3, "patience": 2}, "optimizer": {"lr": 1e-2}},
}
"""The released configurations (their epochs and patience differ between baseline and adversarial training, so compare
arms of one preset, not presets), ``batched`` for speed, ``smoke`` for a moment's run."""

COMPONENTS = (
    Component(
        "adversarial_training",
        off={"adversarial.enabled": False},
        prose="the loss of the words as they are, without L(w + η)",
    ),
    Component(
        "character_embeddings",
        off={"characters.enabled": False},
        prose="word vectors alone, without the character LSTM",
    ),
    Component(
        "label_embeddings",
        off={"label_embedding.enabled": False},
        prose="the relation head sees the encoder's output without the entity tag",
    ),
    Component(
        "crf",
        off={"entities.crf": False},
        prose="softmax over the same BIO tags, word by word, evaluated as strictly",
    ),
)
