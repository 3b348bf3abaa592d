"""SENT: sentence-level relation extraction from noisy labels by negative training (Ma et al., ACL 2021).

What trains it is imported when it trains: torch takes a second, which a plan or a report need not wait for.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from relab.method import Component, Method, Objective, Scores

from trainables.metrics.sentence_classification import agreement_of_sums
from trainables.sent.config import COMPONENTS, METRICS, PRESETS, QUALITY, SentConfig
from trainables.sentences.config import SentenceDataConfig

if TYPE_CHECKING:
    from relab.corpus import Corpus
    from relab.prepared import Prepared, Split
    from relab.trial import Trial

    from trainables.corpora.sentences import LabelledSentence


class Sent(Method[SentConfig]):
    """The relation of two entities in a sentence, from labels that are refined between phases of negative training."""

    name: ClassVar[str] = "sent"
    title: ClassVar[str] = "relations in sentences from noisy labels by negative training, SENT (Ma 2021)"
    version: ClassVar[int] = 1
    Config = SentConfig
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = PRESETS
    components: ClassVar[tuple[Component, ...]] = COMPONENTS
    objective: ClassVar[Objective] = Objective("dev/f1", "max")
    metrics: ClassVar[tuple[str, ...]] = (
        "train/loss",
        "train/phase",
        "train/kept",
        *(f"train/{name}" for name in QUALITY),
        *(f"dev/{name}" for name in METRICS),
    )
    example: ClassVar[str] = "planted_sentences"
    shares_training: ClassVar[bool] = True

    def prepare(self, corpus: "Corpus[LabelledSentence]", data: SentenceDataConfig) -> "Prepared":
        """Index words, entity types, spans and labels, and have an encoder read the words if there is one."""
        from trainables.sentences.data import prepare_sentences

        return prepare_sentences(corpus, data)

    def train(self, config: SentConfig, data: "Prepared", trial: "Trial") -> None:
        """Train, filter, label anew, begin anew; the epoch best on dev counts."""
        from trainables.sent.loop import train

        train(config, data, trial)

    def scores_of_counts(self, counts: Mapping[str, Any]) -> Mapping[str, Any]:
        """F1."""
        return agreement_of_sums(counts)

    def evaluate(self, config: SentConfig, split: "Split", weights: Path) -> Scores:
        """Precision, recall and F1 without NA, with a table per relation."""
        from relab.trial import Checkpoint

        from trainables.sent.evaluation import evaluate
        from trainables.sent.loop import build

        found = Checkpoint.load(weights)
        network = build(config, split, final=found.progress["final"])
        network.load_state_dict(found.weights())
        return evaluate(network, split)
