"""Multi-task relation extraction with BIO-tag embeddings and ranking (Ye et al. 2019).

What trains it is imported when it trains: torch takes a second, which a plan or a report need not wait for.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from relab.method import Component, Method, Objective, Scores

from trainables.bio_multitask.config import COMPONENTS, METRICS, PRESETS, PairConfig, PairDataConfig

if TYPE_CHECKING:
    from relab.corpus import Corpus
    from relab.prepared import Prepared, Split
    from relab.trial import Trial

    from trainables.corpora.sentences import AnnotatedSentence


class BioMultitask(Method[PairConfig]):
    """Relations of all entity pairs of a sentence, most of which have none: convolution, ranking, a second task."""

    name: ClassVar[str] = "bio_multitask"
    title: ClassVar[str] = "relations of all entity pairs of a sentence, BIO tags and multi-task learning (Ye 2019)"
    version: ClassVar[int] = 3
    Config = PairConfig
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = PRESETS
    components: ClassVar[tuple[Component, ...]] = COMPONENTS
    objective: ClassVar[Objective] = Objective("dev/f1", "max")
    metrics: ClassVar[tuple[str, ...]] = ("train/loss", *(f"dev/{name}" for name in METRICS))
    example: ClassVar[str] = "planted_pairs"
    shares_training: ClassVar[bool] = True

    def prepare(self, corpus: "Corpus[AnnotatedSentence]", data: PairDataConfig) -> "Prepared":
        """Extract instances, related pairs and others, and index words, tags and spans."""
        from trainables.bio_multitask.data import prepare_pairs

        return prepare_pairs(corpus, data)

    def train(self, config: PairConfig, data: "Prepared", trial: "Trial") -> None:
        """Train; the epoch that is best on dev counts."""
        from trainables.bio_multitask.loop import train

        train(config, data, trial)

    def evaluate(self, config: PairConfig, split: "Split", weights: Path) -> Scores:
        """Micro and macro F1 without Other, the kinds of errors, and what the extraction counted."""
        from relab.trial import Checkpoint

        from trainables.bio_multitask.evaluation import evaluate
        from trainables.bio_multitask.loop import build

        network = build(config, split)
        network.load_state_dict(Checkpoint.load(weights).weights())
        return evaluate(network, split)
