"""Settings of SENT, sentence-level distant supervision by negative training (Ma et al. 2021), and the published ones.

"Paper" is the ACL 2021 text, "code" the PyTorch code that its authors released; where they disagree, the field says
which is the default. docs/decisions/sent.md has the whole list.
"""

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import Field, model_validator
from relab.fields import overlay
from relab.method import Component, Config

from trainables.sentences.config import SentenceDataConfig

METRICS = ("precision", "recall", "f1")
QUALITY = (
    "filter_precision",
    "filter_recall",
    "filter_f1",
    "flag_everything_f1",
    "relabel_precision",
    "relabel_recall",
)
"""Of a filtering. ``flag_everything`` is the filter that takes every label but NA for noise (test S6)."""


class WordConfig(Config):
    """Word vectors: the corpus' pre-trained ones, or drawn where it has none."""

    trainable: bool = True
    """Code: trained from the pre-trained ones."""
    size: int = Field(50, ge=1)
    """Dimension of drawn vectors; pre-trained ones bring their own."""


class InputConfig(Config):
    """What stands beside a token's word vector."""

    tag_size: int = Field(50, ge=1)
    """Of the embedding of a token's entity type, where the corpus has types."""
    position_size: int = Field(50, ge=1)
    """Of the embedding of its distance from the head, and of that from the tail. Distances are clipped to ±
    ``data.max_tokens``, which no training sentence exceeds (code)."""


class EncoderConfig(Config):
    """From a sentence to its vector."""

    kind: Literal["entity_bilstm", "attention_bilstm", "cnn", "pcnn", "bert"] = "entity_bilstm"
    """BiLSTM with its outputs averaged over each entity (SENT); or with position-aware attention; CNN; PCNN; or a
    pre-trained encoder, trained on and averaged over each entity. With ``data.encoder`` the others get its frozen
    vectors in place of word vectors."""
    hidden: int = Field(256, ge=1)
    """Units per direction, or channels. Code: 256; the baselines' sizes are not stated."""
    attention: int = Field(200, ge=1)
    """Of the attention's inner layer (Zhang et al. 2017)."""


class DropoutConfig(Config):
    """Drop rates; the paper has none, the code these."""

    input: float = Field(0.5, ge=0, lt=1)
    """Of all that a token brings along."""
    output: float = Field(0.5, ge=0, lt=1)
    """Of the encoder's outputs: those of a BiLSTM at each token, else the sentence's vector."""


class LossConfig(Config):
    """The loss of the iterations; the final phase has cross-entropy."""

    form: Literal["negative", "positive"] = "negative"
    """Negative training: −log(1 − p) of labels that the sentence is said not to have. Positive: cross-entropy."""
    complements: int = Field(10, ge=1)
    """K, the labels drawn for each sentence and step. Paper: 10 for NYT, 50 for TACRED."""
    with_replacement: bool = True
    """Code: yes, which lets K exceed the number of other labels. The paper does not say."""


class FilterConfig(Config):
    """Which labels are taken for noise: those whose probability is strictly below their class' threshold."""

    threshold: float = Field(0.25, gt=0, le=1)
    """Th. Paper: 0.25 for NYT, 0.15 for TACRED."""
    dynamic: bool = True
    """A class' threshold is Th times the largest probability that its own label has among the sentences labelled with
    it (code; the paper's formula takes the largest over all sentences). Off, it is Th for all classes."""
    double_above: float | None = Field(None, gt=0, lt=1)
    """Where that largest probability is above this, the threshold doubles. Paper: no; code: 0.99."""
    cutrate: float = Field(0.0, ge=0, lt=1)
    """A class whose largest probability is below this is not filtered, but for the final phase. Code: 0.01."""
    labels: Literal["original", "refined"] = "original"
    """What is filtered: always the corpus' labels (code), or what the filtering before has left (one reading of the
    paper's "newly refined data")."""
    noise_thresholds: Literal["train", "own"] = "train"
    """For a split ``noise``, annotated by hand and never trained on: thresholds of train, or the split's own (code)."""


class RelabelConfig(Config):
    """What becomes of a label that was taken for noise."""

    enabled: bool = True
    """The most probable label replaces it, if it is probable enough."""
    threshold: float = Field(0.7, ge=0, le=1)
    """Above which it is. Paper: 0.7 for NYT, 0.85 for TACRED; code: 0.8 for TACRED."""
    otherwise: Literal["drop", "na"] = "drop"
    """Else the sentence leaves the training data (paper), or its label becomes NA (code)."""


class ScheduleConfig(Config):
    """How often it is trained and filtered."""

    first_epochs: int = Field(10, ge=1)
    """Of the phase on the original labels. Paper: as of the others; code: 15 for NYT."""
    epochs: int = Field(10, ge=1)
    """M, of each phase on refined labels. Paper and code: 10 for NYT, 50 for TACRED."""
    iterations: int = Field(15, ge=0)
    """Phases on refined labels, at most. Code: 15 for NYT, 4 for TACRED. With 0 and without a final phase nothing is
    filtered: a baseline."""
    stop: Literal["dev", "fixed"] = "dev"
    """``dev`` (paper): phases end when dev gets no better, and the final labels are from the phase that was best there.
    ``fixed`` (code): after ``iterations``, the final labels from the last one."""
    patience: int = Field(3, ge=1)
    """Phases without a better dev score after which ``dev`` stops. The paper does not say."""
    first_selection: Literal["dev", "train"] = "dev"
    """Which epoch of the first phase filters: the best on dev, or on the noisy labels of train (code). In later phases
    it is the best on dev."""


class FinalConfig(Config):
    """Positive training of a fresh network on the final labels."""

    enabled: bool = True
    epochs: int = Field(15, ge=1)
    """Code: 15 for NYT, 50 for TACRED."""
    words: Literal["drawn", "corpus"] = "drawn"
    """A table of drawn word vectors, N(0, 1), of ``words.size`` (paper and code, to be as ARNOR), or as in the other
    phases. An encoder's frozen vectors stay."""


class OptimizerConfig(Config):
    """The optimiser, a new one for each phase."""

    kind: Literal["adam", "sgd"] = "adam"
    """Paper: Adam; code: SGD for TACRED."""
    lr: float = Field(5e-4, gt=0)
    weight_decay: float = Field(0.0, ge=0)
    """Paper: none is named; code: 1e-5, against which negative training moves little in short schedules."""
    clip_norm: float | None = Field(None, gt=0)
    """Largest norm of the whole gradient. Code: 5 for TACRED."""


class SentConfig(Config):
    """Everything that a trial depends on."""

    data: SentenceDataConfig = SentenceDataConfig()
    words: WordConfig = WordConfig()
    inputs: InputConfig = InputConfig()
    encoder: EncoderConfig = EncoderConfig()
    head: int | None = Field(512, ge=1)
    """Units of the tanh layer below the scores (code), or none."""
    dropout: DropoutConfig = DropoutConfig()
    loss: LossConfig = LossConfig()
    filter: FilterConfig = FilterConfig()
    relabel: RelabelConfig = RelabelConfig()
    schedule: ScheduleConfig = ScheduleConfig()
    reinitialisation: Literal["new", "same", "none"] = "new"
    """Each phase begins with newly drawn weights (paper), with the first phase's once more (code for NYT), or goes on
    with the weights and the optimiser that there are. The final phase always draws its own."""
    final: FinalConfig = FinalConfig()
    optimizer: OptimizerConfig = OptimizerConfig()
    batch_size: int = Field(128, ge=1)
    """Sentences, or bags. Code: 128 for NYT, 8 for TACRED."""
    bags: bool = False
    """Train on bags of the sentences of one document (entity pair) and label, with selective attention; scores are of
    single sentences. The baseline PCNN+SelATT."""

    @property
    def filters(self) -> bool:
        """Whether anything is trained on filtered labels."""
        return self.schedule.iterations > 0 or self.final.enabled

    @model_validator(mode="after")
    def _what_goes_together(self) -> Self:
        pieces = self.data.encoder is not None and self.data.encoder_as == "pieces"
        if (self.encoder.kind == "bert") != pieces:
            raise ValueError(
                "`encoder.kind: bert` goes with a `data.encoder` and `data.encoder_as: pieces`, others do not"
            )
        if self.bags and (self.filters or self.loss.form == "negative"):
            raise ValueError(
                "`bags` is a baseline: `loss.form: positive`, `schedule.iterations: 0`, `final.enabled: false`"
            )
        return self


BERT = "bert-base-uncased"
"""The encoder of the paper; presets name it, a spec may name a local folder."""
_BASELINE: dict[str, Any] = {
    "loss": {"form": "positive"},
    "schedule": {"iterations": 0, "first_epochs": 15},
    "final": {"enabled": False},
}
_TACRED: dict[str, Any] = {
    "data": {"max_tokens": 100, "lower": False},
    "loss": {"complements": 50},
    "filter": {"threshold": 0.15},
    "relabel": {"threshold": 0.85},
    "schedule": {"first_epochs": 50, "epochs": 50, "iterations": 6},
    "final": {"epochs": 50, "words": "corpus"},
}
_CODE: dict[str, Any] = {
    "data.exclude_in_evaluation": True,
    "filter": {"double_above": 0.99, "cutrate": 0.01, "noise_thresholds": "own"},
    "relabel.otherwise": "na",
    "schedule": {"stop": "fixed", "first_selection": "train"},
    "reinitialisation": "same",
}


def _baseline(kind: str, **more: Any) -> dict[str, Any]:
    return overlay(_BASELINE, {"encoder.kind": kind} | more)


_CONVOLUTION: dict[str, Any] = {"encoder.hidden": 230, "head": None, "dropout.input": 0.0}
"""Zeng et al. 2014 and 2015: one linear layer, and dropout of the sentence's vector alone."""

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "paper/nyt": {},
    "paper/nyt_bert": {"data": {"encoder": BERT}},
    "paper/tacred": _TACRED,
    "code/nyt": overlay(_CODE, {"schedule.first_epochs": 15, "optimizer.weight_decay": 1e-5}),
    "code/tacred": overlay(
        overlay(_TACRED, _CODE),
        {
            "relabel.threshold": 0.8,
            "schedule.iterations": 4,
            "reinitialisation": "new",
            "optimizer": {"kind": "sgd", "lr": 1.0, "clip_norm": 5.0},
            "batch_size": 8,
        },
    ),
    "baseline/cnn": _baseline("cnn", **_CONVOLUTION),
    "baseline/pcnn": _baseline("pcnn", **_CONVOLUTION),
    "baseline/bilstm": _baseline("entity_bilstm"),
    "baseline/bilstm_att": _baseline("attention_bilstm", head=None),
    "baseline/bert": _baseline(
        "bert", head=None, data={"encoder": BERT, "encoder_as": "pieces"}, **{"optimizer.lr": 5e-5, "batch_size": 16}
    ),
    "baseline/bilstm_bert": _baseline("entity_bilstm", data={"encoder": BERT}),
    "baseline/pcnn_selatt": _baseline("pcnn", bags=True, **_CONVOLUTION),
    "quick": {
        "encoder.hidden": 64,
        "head": 64,
        "optimizer.lr": 2e-3,
        "batch_size": 64,
        "schedule": {"first_epochs": 5, "epochs": 5, "iterations": 4},
        "final.epochs": 5,
    },
    "generated": {
        "encoder.hidden": 64,
        "head": 64,
        "inputs": {"tag_size": 10, "position_size": 5},
        "dropout.input": 0.2,
        "optimizer.lr": 2e-3,
        "batch_size": 16,
        "loss.complements": 50,
        "schedule": {"first_epochs": 20, "epochs": 20, "iterations": 4},
        "final.epochs": 15,
    },
    "smoke": {
        "encoder.hidden": 12,
        "head": 16,
        "words.size": 12,
        "inputs": {"tag_size": 4, "position_size": 4},
        "optimizer.lr": 1e-2,
        "batch_size": 8,
        "filter.threshold": 0.9,
        "relabel.threshold": 0.05,
        "schedule": {"first_epochs": 2, "epochs": 2, "iterations": 2, "stop": "fixed"},
        "final.epochs": 2,
    },
}
"""The paper's and the released code's settings, the systems of Table 2 that can be trained, ``quick`` for much text on
two cores, ``generated`` for a thousand generated sentences, ``smoke`` for a moment's run."""

COMPONENTS = (
    Component(
        "final_positive_training",
        off={"final.enabled": False},
        prose="the network of the iterations that is best on dev is itself the result",
    ),
    Component(
        "relabelling",
        off={"relabel.enabled": False},
        prose="a sentence whose label was taken for noise gets no other label",
    ),
    Component(
        "dynamic_threshold",
        off={"filter.dynamic": False},
        prose="one threshold for the labels of all classes",
    ),
    Component(
        "reinitialisation",
        off={"reinitialisation": "none"},
        prose="training goes on with the weights that there are after each filtering",
    ),
    Component(
        "negative_training",
        off={"loss.form": "positive"},
        prose="cross-entropy in every iteration",
        silences=("loss.complements", "loss.with_replacement"),
    ),
)
