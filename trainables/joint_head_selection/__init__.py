"""Adversarial training for multi-context joint entity and relation extraction (Bekoulis et al., EMNLP 2018).

What trains it is imported when it trains: torch takes a second, which a plan or a report need not wait for.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from relab.method import Component, Method, Objective, Scores

from trainables.joint_head_selection.config import COMPONENTS, METRICS, PRESETS, DataConfig, JointConfig
from trainables.metrics.joint_extraction import scores_of_sums

if TYPE_CHECKING:
    from relab.corpus import Corpus
    from relab.prepared import Prepared, Split
    from relab.trial import Trial

    from trainables.corpora.tagged import TaggedSentence


class JointHeadSelection(Method[JointConfig]):
    """Entities by BIO tags or classes, relations by multi-head selection, both from one BiLSTM encoder."""

    name: ClassVar[str] = "joint_head_selection"
    title: ClassVar[str] = "joint entities and relations by multi-head selection, adversarial training (Bekoulis 2018)"
    version: ClassVar[int] = 1
    Config = JointConfig
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = PRESETS
    components: ClassVar[tuple[Component, ...]] = COMPONENTS
    objective: ClassVar[Objective] = Objective("dev/overall_f1", "max")
    metrics: ClassVar[tuple[str, ...]] = ("train/loss", *(f"dev/{name}" for name in METRICS))
    example: ClassVar[str] = "planted_joint"
    shares_training: ClassVar[bool] = True

    def prepare(self, corpus: "Corpus[TaggedSentence]", data: DataConfig) -> "Prepared":
        """Index words, characters, tags and arcs."""
        from trainables.joint_head_selection.data import prepare

        return prepare(corpus, data)

    def train(self, config: JointConfig, data: "Prepared", trial: "Trial") -> None:
        """Train with early stopping on dev."""
        from trainables.joint_head_selection.loop import train

        train(config, data, trial)

    def scores_of_counts(self, counts: Mapping[str, Any]) -> Mapping[str, Any]:
        """The F1 scores of strict and boundaries; those of relaxed are averages over types."""
        return scores_of_sums(counts)

    def evaluate(self, config: JointConfig, split: "Split", weights: Path) -> Scores:
        """Strict, boundaries or relaxed scores, with a table per type and one of counts per sentence."""
        from relab.trial import Checkpoint

        from trainables.joint_head_selection.evaluation import evaluate
        from trainables.joint_head_selection.loop import build

        network = build(config, split)
        network.load_state_dict(Checkpoint.load(weights).weights())
        return evaluate(network, config, split, split.shared)
