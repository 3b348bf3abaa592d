"""The pickles that Wu, Bamman and Russell (2017) released: reader of both layouts, which runs nothing that is in them.

A pickle is a program, and Python's own loader calls whatever it names. Here every global but five is refused by name.
What NumPy would restore an array with is replaced by ``_Array``, which takes the bytes of numbers and nothing else, and
before anything is loaded, ``_check`` looks through the operations for those that no plain data needs.

* **NYT**: ``relation.p``, a dictionary from names to numbers; ``train.p`` and ``test.p``, dictionaries from entity
  pairs to (names of relations, lists of tokens, spans): all relations are those of the pair. A span is (a, b, c, d):
  the first entity is [a, b), the second [c, d). A pair with several relations has its sentences once for each, as in
  the lines of NYT-10.
* **UW**: ``random.p`` and ``gabor.p`` (labelled by hand) and ``distant.p``: (lists of tokens, entity pairs, spans,
  names of relations), an item for each sentence; ``test.p`` as in NYT. All three are trained on, and a pair that is in
  several of them is one bag. (Code: a bag by hand and another by distant supervision; 1,000 sentences of ``random.p``
  are held out and never scored.)
* ``embeddings.p``: (matrix, words), where it is there.

An entity pair is a tuple of two names, or one name for both. Byte strings, as Python 2 wrote them, are UTF-8.
"""

import io
import pickle
import pickletools
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from relab.corpus import Corpus, WordVectors, digest
from relab.errors import DataError

from trainables.corpora.mentions import (
    NO_RELATION,
    Index,
    Mention,
    MentionBuilder,
    PairOptions,
    Symbols,
    finish,
)
from trainables.corpora.problems import SHOWN, read_bytes

VERSION = 1
"""Raised when the same bytes and options give other mentions than before."""

RELATIONS, VECTORS = "relations", "vectors"
LABELLED = ("random", "gabor", "distant")
"""The training files of the UW layout."""


class WuOptions(PairOptions):
    """How the pickles are read."""

    malformed: Literal["fail", "drop"] = "fail"
    """``drop`` leaves out malformed sentences, and counts them."""
    language: str = "en"


def read_nyt_wu(name: str, files: Mapping[str, Path], options: WuOptions) -> Corpus[Mention]:
    """Read ``relations``, ``train``, ``test`` and perhaps ``vectors``, in the NYT layout.

    Raises:
        DataError: a global that is not allowed, a pickle that is cut off, or other data than described above.
    """
    return _read(name, files, options, {"train": ("train",), "test": ("test",)})


def read_uw_wu(name: str, files: Mapping[str, Path], options: WuOptions) -> Corpus[Mention]:
    """Read ``relations``, ``random``, ``gabor``, ``distant``, ``test`` and perhaps ``vectors``, in the UW layout.

    Raises:
        DataError: as ``read_nyt_wu``.
    """
    return _read(name, files, options, {"train": LABELLED, "test": ("test",)})


def _read(
    name: str, files: Mapping[str, Path], options: WuOptions, roles: Mapping[str, Sequence[str]]
) -> Corpus[Mention]:
    data = read_bytes(files[RELATIONS])
    parts = [name, str(VERSION), options.model_dump_json(), digest(data)]
    symbols = Symbols(relations=Index(*_relations(load_plain(data, files[RELATIONS]), files[RELATIONS])))
    counts: Counter[str] = Counter()
    splits = {}
    for split, sources in roles.items():
        builder = MentionBuilder(symbols)
        for role in sources:
            data = read_bytes(files[role])
            parts += [role, digest(data)]
            layout = _sentences if role in LABELLED else _groups
            _add(builder, layout(load_plain(data, files[role]), files[role]), files[role], options, counts)
        splits[split] = builder.mentions()
    corpus = finish(name, splits, digest(*parts), counts, options)
    if VECTORS not in files:
        return corpus
    data = read_bytes(files[VECTORS])
    return corpus.with_vectors(_vectors(name, load_plain(data, files[VECTORS]), files[VECTORS], data))


def load_plain(data: bytes, path: Path) -> Any:
    """The data in a pickle: dictionaries, lists, tuples, sets, texts, bytes, numbers, and arrays as ``_Array``.

    Raises:
        DataError: the global or operation that is asked for and not allowed, or what is wrong with the pickle.
    """
    try:
        _check(data)
        return _Unpickler(io.BytesIO(data), encoding="bytes").load()
    except (
        pickle.UnpicklingError,
        ValueError,
        TypeError,
        AttributeError,
        LookupError,
        EOFError,
        OverflowError,
    ) as error:
        reason = str(error)[:200]
        shown = reason if reason.isprintable() else repr(reason)
        raise DataError(f"{path}: not a pickle of plain data: {shown}") from error


REFUSED = {"PERSID", "BINPERSID", "EXT1", "EXT2", "EXT4", "NEXT_BUFFER", "READONLY_BUFFER", "FROZENSET"}
"""Operations that make other objects than plain data without asking for a global by name."""
OPERATIONS = {ord(operation.code): operation for operation in pickletools.opcodes}
FIXED = {code: op.arg.n if op.arg else 0 for code, op in OPERATIONS.items() if not op.arg or op.arg.n >= 0}
"""How many bytes an operation's argument has; those that are looked at more closely are taken out below."""
CLOSER = {code for code, op in OPERATIONS.items() if op.name in REFUSED | {"STOP", "LONG_BINPUT"}}
PLAIN = {code: 1 + size for code, size in FIXED.items() if code not in CLOSER}
PREFIXES = {
    pickletools.TAKEN_FROM_ARGUMENT1: 1,
    pickletools.TAKEN_FROM_ARGUMENT4: 4,
    pickletools.TAKEN_FROM_ARGUMENT4U: 4,
    pickletools.TAKEN_FROM_ARGUMENT8U: 8,
}
"""How many bytes say how long an operation's argument is."""


def _check(data: bytes) -> None:
    """Look through a pickle without running it; ValueError says what no pickle of plain data has.

    A place in the memo that is larger than the pickle makes Python's loader ask for any amount of memory.
    """
    at = 0
    while at < len(data):
        if code_size := PLAIN.get(data[at]):
            at += code_size
            continue
        operation = OPERATIONS.get(data[at])
        if operation is None:
            raise ValueError(f"the byte 0x{data[at]:02x} at {at:,} is no operation")
        if operation.name in REFUSED:
            raise ValueError(f"the operation {operation.name} at {at:,}")
        if operation.name == "STOP":
            return
        at = _after(data, at + 1, operation)
    raise ValueError("it ends before its end")


def _after(data: bytes, begin: int, operation: pickletools.OpcodeInfo) -> int:
    """Where the argument ends that begins at ``begin``."""
    size = operation.arg.n if operation.arg else 0
    if operation.name == "LONG_BINPUT":
        place, end = int.from_bytes(data[begin : begin + size], "little"), begin + size
    elif size == pickletools.UP_TO_NEWLINE:
        end = data.find(b"\n", begin) + 1 or len(data)
        if operation.name in {"GLOBAL", "INST"}:
            end = data.find(b"\n", end) + 1 or len(data)
        place = int(data[begin:end]) if operation.name == "PUT" else 0
    else:
        end = begin + PREFIXES[size]
        place, end = 0, end + int.from_bytes(data[begin:end], "little")
    if not 0 <= place < len(data):
        raise ValueError(f"the place {place:,} in the memo at {begin:,}")
    return end


class _Stand:
    """What the pickle gets for a global that is allowed: it can be called, and cannot be changed."""

    __slots__ = ("_call",)
    _call: Callable[..., Any]

    def __init__(self, call: Callable[..., Any]) -> None:
        object.__setattr__(self, "_call", call)

    def __call__(self, *arguments: Any) -> Any:
        return self._call(*arguments)

    def __setattr__(self, name: str, value: object) -> None:
        raise ValueError("a change to a global")

    def __setstate__(self, state: object) -> None:
        raise ValueError("a change to a global")


class _Type:
    """The type of an array's numbers."""

    def __init__(self, code: object, *_flags: object) -> None:
        self.code = _text(code)
        if self.code not in {"f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1"}:
            raise ValueError(f"an array of type {self.code[:20]!r}")
        self.order = "="

    def __setstate__(self, state: object) -> None:
        order = _text(state[1]) if isinstance(state, tuple) and len(state) > 1 else ""
        if order not in {"<", ">", "|", "="}:
            raise ValueError(f"an array with the byte order {order[:20]!r}")
        self.order = order


class _Array:
    """An array of numbers: what NumPy's own restoring would make, from its bytes alone."""

    def __init__(self, *_arguments: object) -> None:
        self.values: npt.NDArray[Any] = np.empty(0)

    def __setstate__(self, state: object) -> None:
        if not isinstance(state, tuple) or len(state) != 5:
            raise ValueError("an array without its five values")
        _, shape, kind, fortran, data = state
        self._fill(shape, kind, data, "F" if fortran else "C")

    def _fill(self, shape: object, kind: object, data: object, order: Literal["C", "F"]) -> None:
        if not isinstance(kind, _Type):
            raise ValueError("an array without a type")
        if not isinstance(data, bytes | bytearray):
            raise ValueError(f"an array whose data is a {type(data).__name__}, not bytes")
        sizes = shape if isinstance(shape, tuple) else (shape,)
        if len(sizes) > 2 or not all(type(size) is int and size >= 0 for size in sizes):
            raise ValueError("an array with another shape than rows and columns")
        flat = np.frombuffer(data, dtype=np.dtype(kind.code).newbyteorder(kind.order))  # type: ignore[arg-type]
        self.values = flat.reshape(sizes, order=order)

    @classmethod
    def from_buffer(cls, data: object, kind: object, shape: object, order: object) -> "_Array":
        made = cls()
        made._fill(shape, kind, data, "F" if _text(order) == "F" else "C")
        return made


def _encoded(text: object, encoding: object) -> bytes:
    """How bytes are written by protocols that have none."""
    if not isinstance(text, str) or _text(encoding) != "latin1":
        raise ValueError("_codecs.encode of something else than bytes")
    return text.encode("latin1")


ARRAY_TYPE = _Stand(_Array)
ALLOWED = {
    "numpy ndarray": ARRAY_TYPE,
    "numpy dtype": _Stand(_Type),
    "_codecs encode": _Stand(_encoded),
    **{f"{module} set": _Stand(set) for module in ("builtins", "__builtin__")},
    **{f"{module} bytes": _Stand(lambda: b"") for module in ("builtins", "__builtin__")},
    **{f"numpy.{core}.multiarray _reconstruct": ARRAY_TYPE for core in ("core", "_core")},
    **{f"numpy.{core}.numeric _frombuffer": _Stand(_Array.from_buffer) for core in ("core", "_core")},
}
"""By module and name; whatever else a pickle asks for is an error."""


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        found = ALLOWED.get(f"{module} {name}")
        if found is None:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        return found


def _text(value: object) -> str:
    """A text, or a byte string as text; ValueError for anything else."""
    if isinstance(value, str):
        value.encode()  # what cannot be encoded cannot be stored
        return value
    if isinstance(value, bytes):
        return value.decode("utf-8")
    raise ValueError(f"a {type(value).__name__}, not a text")


def _items(value: object, what: str) -> Sequence[Any]:
    if not isinstance(value, list | tuple):
        raise ValueError(f"{what}: a {type(value).__name__}, not a list")
    return value


def _relations(value: object, path: Path) -> list[str]:
    """The names by number, NA first."""
    try:
        if not isinstance(value, dict):
            raise ValueError(f"a {type(value).__name__}, not a dictionary from names to numbers")
        names = {number: _text(name) for name, number in value.items() if type(number) is int}
        if sorted(names) != list(range(len(value))):
            raise ValueError(f"the numbers of {len(value)} relations are not 0 to {len(value) - 1}")
        if names.get(0) != NO_RELATION:
            raise ValueError(f"the number 0 belongs to {names.get(0)!r:.80}, not to {NO_RELATION!r}")
    except ValueError as error:
        raise DataError(f"{path}: {error}") from error
    return [names[number] for number in range(len(names))]


Row = tuple[str, object, object, object, object]
"""Where a sentence is, for messages; its entity pair, its relation, its tokens, its spans."""


def _groups(value: object, path: Path) -> Iterator[Row]:
    """The sentences of a file in the NYT layout."""
    if not isinstance(value, dict):
        raise DataError(f"{path}: a {type(value).__name__}, not a dictionary of entity pairs")
    for pair, group in value.items():
        try:
            relations, tokens, spans = (_items(part, "a part of the pair") for part in _items(group, "the pair"))
            if len(tokens) != len(spans) or not tokens:
                raise ValueError(f"{len(tokens)} sentences and {len(spans)} spans")
            if not relations:
                raise ValueError("no relation")
        except ValueError as error:
            raise DataError(f"{path}: pair {repr(pair)[:80]}: {error}") from error
        for relation in relations:
            for place in range(len(tokens)):
                yield f"pair {repr(pair)[:80]}, sentence {place}", pair, relation, tokens[place], spans[place]


def _sentences(value: object, path: Path) -> Iterator[Row]:
    """The sentences of a file in the UW layout."""
    try:
        columns = [_items(column, "one of the four lists") for column in _items(value, "the file")]
        if len(columns) != 4 or len({len(column) for column in columns}) != 1 or not columns[0]:
            raise ValueError(f"not four lists of one length: {[len(column) for column in columns]}")
    except ValueError as error:
        raise DataError(f"{path}: {error}") from error
    for place, (tokens, pair, spans, relation) in enumerate(zip(*columns, strict=True)):
        yield f"sentence {place}", pair, relation, tokens, spans


def _add(builder: MentionBuilder, rows: Iterator[Row], path: Path, options: WuOptions, counts: Counter[str]) -> None:
    """Append what is well-formed; DataError lists the first rows that are not."""
    wrong: list[str] = []
    before = len(builder)
    for where, pair, relation, tokens, spans in rows:
        try:
            _append(builder, options.language, pair, relation, tokens, spans)
        except ValueError as error:
            wrong.append(f"{path}: {where}: {error}")
    if wrong and options.malformed == "fail":
        more = [f"{path}: and {len(wrong) - SHOWN:,} more malformed sentences"] if len(wrong) > SHOWN else []
        raise DataError("\n".join(chain(wrong[:SHOWN], more)))
    if len(builder) == before:
        raise DataError(f"{path}: no sentence is left")
    if wrong:
        counts["sentences dropped: malformed"] += len(wrong)


def _append(
    builder: MentionBuilder, language: str, pair: object, relation: object, tokens: object, spans: object
) -> None:
    names = [_text(part) for part in pair] if isinstance(pair, list | tuple) else [_text(pair), ""]
    if len(names) != 2 or not names[0]:
        raise ValueError("the entity pair is not two names")
    label = _text(relation)
    if label not in builder.symbols.relations:
        raise ValueError(f"the relation {label[:60]!r} is not in the file of relations")
    words = [_text(token) for token in _items(tokens, "tokens")]
    if not all(words):
        raise ValueError("an empty token")
    ends = _items(spans, "spans")
    if len(ends) != 4 or not all(type(end) is int for end in ends):
        raise ValueError("the spans are not four whole numbers")
    head, tail = (ends[0], ends[1]), (ends[2], ends[3])
    for begin, end in (head, tail):
        if not 0 <= begin < end <= len(words):
            raise ValueError(f"the span [{begin}, {end}) is not in the sentence, which has {len(words)} tokens")
    builder.add(language, names[0], names[1], label, words, head, tail)


def _vectors(name: str, value: object, path: Path, data: bytes) -> WordVectors:
    try:
        both = _items(value, "the file")
        if len(both) != 2 or not isinstance(both[0], _Array):
            raise ValueError("not a matrix and its words")
        matrix = both[0].values
        words = tuple(_text(word) for word in _items(both[1], "words"))
        if matrix.ndim != 2 or matrix.dtype.kind != "f" or len(matrix) != len(words):
            raise ValueError(f"a {matrix.dtype} matrix of shape {matrix.shape} for {len(words)} words")
        if not np.isfinite(matrix).all():
            raise ValueError("a number that is not finite")
        if len(set(words)) < len(words):
            raise ValueError("a word for the second time")
    except ValueError as error:
        raise DataError(f"{path}: {error}") from error
    return WordVectors(name, words, matrix.astype(np.float32), digest("wu vectors", str(VERSION), data))
