"""Encoders that ``transformers`` loads: frozen vectors of words, word pieces, and the encoder itself."""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from relab.errors import RequestError
from torch import Tensor

BATCH_PIECES = 4_000
"""Word pieces that are encoded at once, padding included."""


def load(encoder: str, what: str) -> Any:
    """``transformers``' ``what`` (AutoModel, AutoTokenizer) for a folder or a hub's name.

    Raises:
        RequestError: ``transformers`` is not installed, or finds no such encoder.
    """
    try:
        import transformers  # noqa: PLC0415 - an extra, and slow to import
    except ImportError as error:
        raise RequestError(f"the encoder {encoder} needs transformers: pip install 'relab[bert]'") from error
    transformers.utils.logging.disable_progress_bar()
    options = {"add_prefix_space": True, "use_fast": True} if what == "AutoTokenizer" else {}
    try:
        return getattr(transformers, what).from_pretrained(encoder, **options)
    except (OSError, ValueError) as error:
        reason = (str(error).strip().splitlines() or ["no reason given"])[0]
        raise RequestError(f"transformers cannot load the encoder {encoder}: {reason}") from error


class Pretrained:
    """A tokeniser and, once vectors are asked for, its encoder."""

    def __init__(self, encoder: str) -> None:
        self.encoder = encoder
        self.tokenizer = load(encoder, "AutoTokenizer")

    @property
    def marks(self) -> tuple[int, int]:
        """The pieces before and after a sentence."""
        return self.tokenizer.cls_token_id, self.tokenizer.sep_token_id

    def pieces(self, sentences: Sequence[Sequence[str]]) -> dict[str, Tensor]:
        """Flat ``pieces`` with ``piece_offsets`` [words + 1] of sentences; a word has one at least, if only the unknown
        one."""
        flat: list[int] = []
        offsets = [0]
        for sentence in sentences:
            found = self.tokenizer(list(sentence), is_split_into_words=True, add_special_tokens=False)
            own: list[list[int]] = [[] for _ in sentence]
            for piece, word in zip(found["input_ids"], found.word_ids(), strict=True):
                own[word].append(piece)
            for word_pieces in own:
                flat += word_pieces or [self.tokenizer.unk_token_id]
                offsets.append(len(flat))
        return {"pieces": torch.tensor(flat, dtype=torch.int32), "piece_offsets": torch.tensor(offsets)}

    @torch.no_grad()
    def vectors(self, sentences: Sequence[Sequence[str]]) -> dict[str, Tensor]:
        """``contextual`` [words, D] in half precision: the mean over each word's pieces of the encoder's last layer.

        A sentence of more pieces than the encoder reads is read in parts that end between words.
        """
        model = load(self.encoder, "AutoModel").eval()
        found = self.pieces(sentences)
        pieces, offsets = found["pieces"].long(), found["piece_offsets"]
        of_piece = torch.zeros(len(pieces), model.config.hidden_size)
        limit = room(model)
        parts = sorted(
            (part for first, last in _ranges(sentences) for part in _parts(offsets[first : last + 1], limit)),
            key=lambda part: part[1] - part[0],
        )
        for together in _batched(parts):
            begins, ends = (torch.tensor(side) for side in zip(*together, strict=True))
            place = torch.arange(int((ends - begins).max()))
            inside = place < (ends - begins)[:, None]
            source = begins[:, None] + place
            own = torch.where(inside, pieces[source.clamp(max=len(pieces) - 1)], -1)
            of_piece[source[inside]] = encode(model, own, torch.tensor(self.marks))[inside]
        words = torch.repeat_interleave(torch.arange(len(offsets) - 1), offsets.diff())
        sums = torch.zeros(len(offsets) - 1, of_piece.shape[1]).index_add(0, words, of_piece)
        return {"contextual": (sums / offsets.diff()[:, None]).half()}


def room(model: Any) -> int:
    """How many pieces an encoder reads beside its two marks; positions may be numbered from the padding's on."""
    padding = getattr(getattr(model, "embeddings", None), "padding_idx", None)
    return int(model.config.max_position_embeddings) - 2 - (0 if padding is None else padding + 1)


def encode(model: Any, pieces: Tensor, marks: Tensor) -> Tensor:
    """[B, P, D]: the last layer over pieces [B, P], −1 beyond each sentence, without the vectors of the marks."""
    lengths = (pieces >= 0).sum(1)
    whole = torch.nn.functional.pad(pieces.clamp(min=0), (1, 1))
    whole[:, 0] = marks[0]
    whole[torch.arange(len(whole), device=whole.device), lengths + 1] = marks[1]
    inside = torch.arange(whole.shape[1], device=whole.device) < (lengths + 2)[:, None]
    states: Tensor = model(input_ids=whole, attention_mask=inside.long()).last_hidden_state
    return states[:, 1:-1]


def _ranges(sentences: Sequence[Sequence[str]]) -> Iterator[tuple[int, int]]:
    """The words [first, last) of each sentence in the flat order."""
    first = 0
    for sentence in sentences:
        yield first, first + len(sentence)
        first += len(sentence)


def _parts(offsets: Tensor, limit: int) -> Iterator[tuple[int, int]]:
    """Pieces [begin, end) of a sentence's parts; only a word of more than ``limit`` pieces is cut itself."""
    ends = offsets.tolist()
    begin = ends[0]
    for end, following in zip(ends[1:], [*ends[2:], None], strict=True):
        while end - begin > limit:
            yield begin, begin + limit
            begin += limit
        if begin < end and (following is None or following - begin > limit):
            yield begin, end
            begin = end


def _batched(parts: Sequence[tuple[int, int]]) -> Iterator[list[tuple[int, int]]]:
    """Parts of ascending length, as many at once as ``BATCH_PIECES`` allow."""
    chosen: list[tuple[int, int]] = []
    for part in parts:
        if chosen and (len(chosen) + 1) * (part[1] - part[0]) > BATCH_PIECES:
            yield chosen
            chosen = []
        chosen.append(part)
    if chosen:
        yield chosen
