"""From a spec's corpus to prepared tensors on disk: read once, indexed once, mapped by every trial."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from relab.corpora import read_corpus, read_vectors
from relab.corpus import Corpus, digest
from relab.errors import RequestError, StoreError, out_of_space
from relab.method import Method
from relab.plan import Fold, PlannedTrial
from relab.records import Store
from relab.spec import Spec

if TYPE_CHECKING:
    from relab.prepared import Prepared

SMOKE_ITEMS = 64
"""Items of each split that a smoke run sees."""


@dataclass
class Data:
    """The corpus of one study, and the prepared folders made from it so far."""

    method: Method[Any]
    corpus: Corpus[Any]
    store: Store
    folds: int | None = None
    _variants: dict[tuple[Fold | None, bool], Corpus[Any]] = field(default_factory=dict)
    _prepared: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, spec: Spec, method: Method[Any], store: Store, given: Mapping[str, Path]) -> "Data":
        """Read the corpus and the vectors that a spec names; ``given`` maps names to paths (``--corpus name=path``)."""
        corpus = read_corpus(spec.corpus.name, spec.corpus.options, given)
        if spec.vectors is not None:
            corpus = corpus.with_vectors(read_vectors(spec.vectors, given, near=given.get(spec.corpus.name)))
        empty = [name for name in ("train", "dev") if not corpus.splits.get(name)]
        if empty and spec.folds is None:
            raise RequestError(
                f"{corpus.name} has no sentence in its split {' and '.join(empty)}; `folds` makes splits"
            )
        return cls(method, corpus, store, spec.folds)

    def variant(self, fold: Fold | None, smoke: bool = False) -> Corpus[Any]:
        """The corpus as one trial sees it: a fold of it, or its first items."""
        if (fold, smoke) not in self._variants:
            corpus = self.corpus if fold is None else self.corpus.fold(fold.index, fold.count)
            self._variants[fold, smoke] = corpus.head(SMOKE_ITEMS) if smoke else corpus
        return self._variants[fold, smoke]

    def fingerprints(self) -> dict[Fold | None, str]:
        """The fingerprint of every fold, or of the corpus where there are none."""
        if self.folds is None:
            return {None: self.corpus.fingerprint}
        folds = [Fold(index=index, count=self.folds) for index in range(self.folds)]
        return {fold: self.variant(fold).fingerprint for fold in folds}

    def prepared(self, trial: PlannedTrial) -> str:
        """The folder with the tensors of this trial, made now if it is not there."""
        data = self.method.Config.model_validate(trial.config).data  # type: ignore[attr-defined]
        corpus = self.variant(trial.fold, trial.smoke)
        name = digest(self.method.name, str(self.method.version), corpus.fingerprint, data.model_dump_json())
        if name not in self._prepared:
            folder = self.store.prepared(name)
            if not folder.exists():
                tensors: Prepared = self.method.prepare(corpus, data)
                try:
                    tensors.save(folder)
                except Exception as error:
                    if out_of_space(error):
                        raise StoreError(f"no space left for the prepared corpus in {folder.parent}") from error
                    raise
            self._prepared[name] = str(folder)
        return self._prepared[name]
