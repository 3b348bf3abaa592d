"""Adversarial training for relation extraction from bags of sentences (Wu, Bamman and Russell, EMNLP 2017).

What trains it is imported when it trains: torch takes a second, which a plan or a report need not wait for.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from relab.method import Component, Method, Objective, Scores

from trainables.adversarial_bag.config import COMPONENTS, PRESETS, BagConfig
from trainables.bags.config import METRICS, BagDataConfig

if TYPE_CHECKING:
    from relab.corpus import Corpus
    from relab.prepared import Prepared, Split
    from relab.trial import Trial

    from trainables.corpora.mentions import Mention


class AdversarialBag(Method[BagConfig]):
    """Relations of entity pairs from all sentences that mention them, by PCNN or GRU with selective attention."""

    name: ClassVar[str] = "adversarial_bag"
    title: ClassVar[str] = "relations of entity pairs from bags of sentences, adversarial training (Wu 2017)"
    version: ClassVar[int] = 1
    Config = BagConfig
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = PRESETS
    components: ClassVar[tuple[Component, ...]] = COMPONENTS
    objective: ClassVar[Objective] = Objective("dev/average_precision", "max")
    metrics: ClassVar[tuple[str, ...]] = (
        "train/loss",
        "train/nearest_word_kept",
        *(f"dev/{name}" for name in METRICS),
    )
    example: ClassVar[str] = "planted_bags"
    shares_training: ClassVar[bool] = True

    def prepare(self, corpus: "Corpus[Mention]", data: BagDataConfig) -> "Prepared":
        """Index words, spans and labels, sorted by bag."""
        from trainables.bags.data import prepare_bags

        return prepare_bags(corpus, data)

    def train(self, config: BagConfig, data: "Prepared", trial: "Trial") -> None:
        """Train, perturbed or not; the epoch that is best on dev counts."""
        from trainables.adversarial_bag.loop import train

        train(config, data, trial)

    def evaluate(self, config: BagConfig, split: "Split", weights: Path) -> Scores:
        """Average precision and precision at recalls, with the curve and a table per relation."""
        from relab.trial import Checkpoint

        from trainables.adversarial_bag.evaluation import evaluate
        from trainables.adversarial_bag.loop import build

        network = build(config, split)
        network.load_state_dict(Checkpoint.load(weights).weights())
        return evaluate(network, split)
