"""Adversarial multi-lingual neural relation extraction (Wang, Han, Lin, Liu and Sun, COLING 2018).

What trains it is imported when it trains: torch takes a second, which a plan or a report need not wait for.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from relab.method import Component, Method, Objective, Scores

from trainables.amnre.config import COMPONENTS, PRESETS, AmnreConfig, DataConfig

if TYPE_CHECKING:
    from relab.corpus import Corpus
    from relab.prepared import Prepared, Split
    from relab.trial import Trial

    from trainables.corpora.mentions import Mention


class Amnre(Method[AmnreConfig]):
    """Relations of entity pairs from sentences in several languages, each encoded in its own and in a common space."""

    name: ClassVar[str] = "amnre"
    title: ClassVar[str] = "relations from sentences in several languages, a common space by adversaries (Wang 2018)"
    version: ClassVar[int] = 1
    Config = AmnreConfig
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = PRESETS
    components: ClassVar[tuple[Component, ...]] = COMPONENTS
    objective: ClassVar[Objective] = Objective("dev/average_precision", "max")
    metrics: ClassVar[tuple[str, ...]] = ("train/loss", "dev/average_precision", "dev/language_accuracy")
    example: ClassVar[str] = "planted_bilingual"
    shares_training: ClassVar[bool] = True

    def prepare(self, corpus: "Corpus[Mention]", data: DataConfig) -> "Prepared":
        """Index words, relations and languages; sort sentences by bag."""
        from trainables.bags.data import prepare_bags

        return prepare_bags(corpus, data)

    def train(self, config: AmnreConfig, data: "Prepared", trial: "Trial") -> None:
        """Alternate the three kinds of step for a number of epochs."""
        from trainables.amnre.loop import train

        train(config, data, trial)

    def evaluate(self, config: AmnreConfig, split: "Split", weights: Path) -> Scores:
        """Held-out scores of all languages together and of each alone, with a curve and a sample of vectors."""
        import torch
        from relab.trial import Checkpoint

        from trainables.amnre.evaluation import evaluate
        from trainables.amnre.loop import build

        network = build(config, split)
        network.load_state_dict(Checkpoint.load(weights).weights())
        return evaluate(network, split, torch.device("cpu"))
