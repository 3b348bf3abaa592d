"""A corpus indexed as tensors, stored once and shared between trials through memory-mapped files."""

import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from relab.errors import StoreError

TENSORS, VOCABULARY = "tensors.safetensors", "vocabulary.json"


@dataclass(frozen=True)
class Split:
    """One split of a prepared corpus, with what all splits share."""

    name: str
    tensors: Mapping[str, Tensor]
    shared: Mapping[str, Tensor]
    vocabulary: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Prepared:
    """Tensors only: ``splits[name]`` per split, ``shared`` for all (word vectors, say), and the symbols of each index.

    Lists of unequal length are stored flat beside their offsets; nothing here is an object to pickle.
    """

    splits: Mapping[str, Mapping[str, Tensor]]
    shared: Mapping[str, Tensor] = field(default_factory=dict)
    vocabulary: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def split(self, name: str) -> Split:
        """The split ``name``; KeyError names the splits that are there."""
        if name not in self.splits:
            raise KeyError(f"no split {name!r} here, only {', '.join(self.splits)}")
        return Split(name, self.splits[name], self.shared, self.vocabulary)

    def without(self, *names: str) -> "Prepared":
        """The same without some splits: what training may see."""
        kept = {name: tensors for name, tensors in self.splits.items() if name not in names}
        return Prepared(kept, self.shared, self.vocabulary)

    def save(self, folder: Path) -> None:
        """Write under ``folder`` at once or not at all; a folder that another process finished first is kept."""
        if folder.exists():
            return
        folder.parent.mkdir(parents=True, exist_ok=True)
        building = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        try:
            tensors = {f"split/{split}/{name}": t for split, ts in self.splits.items() for name, t in ts.items()}
            tensors |= {f"shared/{name}": t for name, t in self.shared.items()}
            save_file({name: t.contiguous() for name, t in tensors.items()}, building / TENSORS)
            description = {"splits": list(self.splits), "vocabulary": {k: list(v) for k, v in self.vocabulary.items()}}
            (building / VOCABULARY).write_text(json.dumps(description, ensure_ascii=False), encoding="utf-8")
            try:
                os.rename(building, folder)
            except OSError:
                if not folder.exists():
                    raise
        finally:
            shutil.rmtree(building, ignore_errors=True)

    @classmethod
    def load(cls, folder: Path) -> "Prepared":
        """Read what ``save`` wrote; the tensors are mapped, so that all trials of a host share one copy.

        Raises:
            StoreError: a file is torn.
        """
        try:
            return cls._load(folder)
        except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError, SafetensorError) as error:
            raise StoreError(f"{folder} is torn: {str(error)[:200]!r}. Remove it: it is then made again.") from error

    @classmethod
    def _load(cls, folder: Path) -> "Prepared":
        description = json.loads((folder / VOCABULARY).read_text(encoding="utf-8"))
        splits: dict[str, dict[str, Tensor]] = {name: {} for name in description["splits"]}
        shared: dict[str, Tensor] = {}
        for name, tensor in load_file(folder / TENSORS).items():
            kind, _, rest = name.partition("/")
            if kind == "shared":
                shared[rest] = tensor
            else:
                split, _, key = rest.partition("/")
                splits[split][key] = tensor
        return cls(splits, shared, {k: tuple(v) for k, v in description["vocabulary"].items()})
