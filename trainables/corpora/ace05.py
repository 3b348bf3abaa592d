"""ACE 2005 (LDC2006T06): reader of its documents, a text ``x.sgm`` and its annotations ``x.apf.xml``.

The reader was written to the format that the LDC documents, and has been tested on files written for the tests alone.

1. ``START`` and ``END`` (inclusive) count the characters of the ``.sgm`` without its tags; line ends count as one, and
   ``&amp;`` as the five that it is written with. What a ``charseq`` repeats is compared with the text at its offsets,
   white space and such references aside: a difference is an error.
2. Text is what stands in ``<BODY>``. Mentions before it are dropped with their relations, and counted.
3. Entity mentions have the span of their head, or of their extent. Mentions of values and times are not used.
4. A relation mention relates its ``Arg-1`` (head) to its ``Arg-2`` (tail); other arguments, times all of them, are not
   used. METONYMY, of which the task has no relations, is left out and counted.
5. English: tokens are runs of letters, digits and underscores, and single other signs. Sentences end after ``.``,
   ``!`` or ``?`` and the closing quotes and brackets that follow, before a blank and a capital letter or a digit, an
   opening sign before it or not; not after a single capital letter or an abbreviated title. Chinese: characters are the
   tokens, white space apart; sentences end after 。！？!? and the quotes and brackets that close. In both a sentence
   also ends at a tag, at an empty line and before a line that begins with a blank; other line ends are wrapped lines.
6. What sentence ends and tokens do to entities and relations: ``annotated_text.py``.
7. In the LDC's own tree a document is there several times: only the folder of the language is read, and of a document
   that is in several folders what is in ``timex2norm``, or else ``adj``.

Train, dev and test are documents in folders of these names; without such folders a hash of the documents' names deals
them out, and ``Corpus.fold`` cuts folds by document.
"""

import html
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, Literal
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from relab.corpus import Corpus, digest
from relab.errors import DataError
from relab.method import Config

from trainables.corpora.ade import TOKEN
from trainables.corpora.annotated_text import AnnotatedText, Lost, Relation, characters, lost_in, sentences
from trainables.corpora.brat import END as CHINESE_END
from trainables.corpora.document_files import SPLITS, document_files, files_digest, splits_of
from trainables.corpora.problems import Problems
from trainables.corpora.sentences import AnnotatedSentence, Entity, Span

VERSION = 1
"""Raised when the same bytes and options give other sentences than before."""

TEXT, ANNOTATIONS = ".sgm", ".apf.xml"
LANGUAGES = ("english", "chinese", "arabic")
STAGES = ("timex2norm", "adj")
"""Folders of the LDC's tree with the final annotations, the preferred one first."""
METONYMY = "METONYMY"
NUMBER = re.compile(r"[0-9]{1,9}")
TAG = re.compile(r"<[^<>]*>")
REFERENCE = re.compile(r"&(?:#?\w{1,8});")
PARAGRAPH = re.compile(r"\n(?=[ \t\u3000]*\n|[ \t\u3000])")
ENGLISH_END = re.compile(r"[.!?]+[\"'”’)\]]*(?=\s+[\"'“‘(\[]*[A-Z0-9])")
ABBREVIATED = re.compile(r"(?:^|[^\w])(?:[A-Z]|Mr|Mrs|Ms|Dr|Prof|Gen|Col|Lt|Sgt|Capt|Maj|Rep|Sen|Gov|Rev|St|vs)\.$")


class AceOptions(Config):
    """How the documents are read."""

    spans: Literal["head", "extent"] = "head"
    """Which span of an entity mention. Ye et al. (2019) do not say; heads nest and overlap less."""
    types: Literal["main", "sub"] = "main"
    """``sub`` appends the subtype to the types of entities and relations: ``PHYS.Located``."""
    lost: Lost = "drop"
    """A relation over a sentence end: counted for its split and lost, or an error."""
    malformed: Literal["fail", "drop"] = "fail"
    """``drop`` leaves out documents with anything malformed, and counts them."""


def read_ace05_english(name: str, files: Mapping[str, Path], options: AceOptions) -> Corpus[AnnotatedSentence]:
    """Read English documents, in words, from ``files["documents"]``: a folder, or a tar archive of one.

    Raises:
        DataError: ``file:line: reason`` for what is malformed in the first such document.
    """
    return _read(name, files["documents"], options, "english", _words, english_ends)


def read_ace05_chinese(name: str, files: Mapping[str, Path], options: AceOptions) -> Corpus[AnnotatedSentence]:
    """Read Chinese documents, in characters; otherwise as ``read_ace05_english``."""
    return _read(name, files["documents"], options, "chinese", characters, chinese_ends)


def _read(
    name: str,
    root: Path,
    options: AceOptions,
    language: str,
    tokens: Callable[[str], list[Span]],
    sentence_ends: Callable[[str], list[int]],
) -> Corpus[AnnotatedSentence]:
    documents = _final(root, document_files(root, (TEXT, ANNOTATIONS)), language)
    split_of = splits_of(root, documents)
    counts = Counter({"documents": len(documents)})
    splits: dict[str, list[AnnotatedSentence]] = {split: [] for split in SPLITS}
    for document, contents in documents.items():
        split, found = split_of[document], Counter[str]()
        try:
            text, tags = parse(document, root / document, contents[TEXT], contents[ANNOTATIONS], options, found)
        except DataError:
            if options.malformed == "fail":
                raise
            counts["documents dropped as malformed"] += 1
        else:
            counts.update(found)
            ends = [*sentence_ends(text.text), *tags]
            splits[split] += sentences(text, tokens(text.text), ends, split, options.lost, counts)
    if not any(splits.values()):
        raise DataError(f"{root}: no document is left of {len(documents):,}")
    shown = {lost_in(split): counts[lost_in(split)] for split in SPLITS} | {what: n for what, n in counts.items() if n}
    fingerprint = digest("ace05", str(VERSION), language, options.model_dump_json(), files_digest(documents))
    return Corpus(name, splits, fingerprint, shown)


def _final(root: Path, documents: dict[str, dict[str, bytes]], language: str) -> dict[str, dict[str, bytes]]:
    """Each document once: point 7 of the module's description."""
    parts = {name: PurePosixPath(name.lower()).parts[:-1] for name in documents}
    mine = [name for name in documents if not set(parts[name]) & (set(LANGUAGES) - {language})]
    chosen: dict[str, str] = {}
    for name in mine:
        document = name.rpartition("/")[2]
        rivals = [name, *([chosen[document]] if document in chosen else [])]
        ranks = [next((k for k, stage in enumerate(STAGES) if stage in parts[rival]), len(STAGES)) for rival in rivals]
        if len(rivals) == 2 and ranks[0] == ranks[1]:
            raise DataError(f"{root}: the document {document!r} is there twice: {rivals[1]} and {rivals[0]}")
        chosen[document] = rivals[ranks.index(min(ranks))]
    if not chosen:
        raise DataError(f"{root}: no {language} document in it")
    return {name: documents[name] for name in sorted(chosen.values())}


def parse(
    name: str, path: Path, text: bytes, annotations: bytes, options: AceOptions, counts: Counter[str]
) -> tuple[AnnotatedText, list[int]]:
    """One document, and the characters before which a tag stood; ``counts`` is added to, ``path`` is for messages.

    The document's text is that of the ``.sgm`` without tags, in which everything before ``<BODY>`` and all references
    are replaced by blanks and the characters that they stand for: offsets stay what they are.

    Raises:
        DataError: ``file:line: reason``, one line for each of the first malformed lines.
    """
    whole, body, tags = _stripped(text, path.with_name(f"{path.name}{TEXT}"))
    place = path.with_name(f"{path.name}{ANNOTATIONS}")
    problems = Problems(place)
    root, lines = _xml(annotations, place)
    if root.tag != "source_file" or root.find("document") is None:
        raise DataError(f"{place}:{lines[root]}: not an annotation of ACE: no <document> in a <source_file>")
    places: dict[str, int | None] = {}
    entities: list[Entity] = []
    for entity, mention in _mentions(root, "entity"):
        try:
            key = _attribute(mention, "ID")
            if key in places:
                raise ValueError(f"the mention {key!r} for the second time")
            places[key] = None
            kind = _kind(entity, options)
            begin, end = _span(mention, options.spans, whole)
            if begin < body:
                counts["entities dropped: before the body"] += 1
            else:
                places[key] = len(entities)
                entities.append(Entity(begin, end, kind))
        except ValueError as error:
            problems.add(lines[mention], str(error))
    relations = []
    for relation, mention in _mentions(root, "relation"):
        try:
            kind = _kind(relation, options)
            ends = _arguments(mention, places)
        except ValueError as error:
            problems.add(lines[mention], str(error))
            continue
        head, tail = (places[end] for end in ends)
        if relation.get("TYPE") == METONYMY:
            counts[f"relations left out: {METONYMY}"] += 1
        elif head is None or tail is None:
            counts["relations dropped: without their entity"] += 1
        else:
            relations.append(Relation(head, kind, tail, lines[mention]))
    problems.fail()
    shown = " " * body + REFERENCE.sub(_decoded, whole[body:])
    return AnnotatedText(name, place, shown, tuple(entities), tuple(relations)), tags


def _stripped(data: bytes, path: Path) -> tuple[str, int, list[int]]:
    """The text without its tags, where the body begins in it, and where the tags stood."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise DataError(f"{path}:{line}: not UTF-8: byte 0x{data[error.start]:02x}") from error
    pieces, tags, begin, length, body = [], [], 0, 0, None
    for match in TAG.finditer(text):
        pieces.append(text[begin : match.start()])
        length += len(pieces[-1])
        begin = match.end()
        tags.append(length)
        if match[0] == "<BODY>":
            body = length
    if body is None:
        raise DataError(f"{path}:1: no <BODY>")
    return "".join([*pieces, text[begin:]]), body, tags


def _decoded(reference: re.Match[str]) -> str:
    """The character that a reference stands for, and blanks up to its length."""
    return html.unescape(reference[0]).ljust(len(reference[0]))


def _xml(data: bytes, path: Path) -> tuple[Element, dict[Element, int]]:
    """The tree of a file, and the line of each element. Nothing that a file declares is expanded or fetched.

    A document type may be named, as ACE's files do; declarations in the file itself are refused, and with them all that
    a file could have an entity grow into.
    """
    parser = expat.ParserCreate()
    builder, lines = TreeBuilder(), dict[Element, int]()

    def refuse(what: str) -> Callable[..., Any]:
        def refused(*_: object) -> None:
            raise DataError(f"{path}:{parser.CurrentLineNumber}: {what} is refused")

        return refused

    def doctype(_name: str, _system: str | None, _public: str | None, internal: int) -> None:
        if internal:
            refuse("a document type with declarations of its own")()

    def start(tag: str, attributes: dict[str, str]) -> None:
        lines[builder.start(tag, attributes)] = parser.CurrentLineNumber

    parser.StartElementHandler, parser.EndElementHandler = start, builder.end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = doctype
    parser.EntityDeclHandler = refuse("the declaration of an entity")
    parser.ExternalEntityRefHandler = refuse("an external entity")
    parser.SkippedEntityHandler = refuse("an entity that XML itself does not define")
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        raise DataError(f"{path}:{error.lineno}: not XML: {expat.errors.messages[error.code]}") from error
    except (LookupError, ValueError) as error:
        raise DataError(f"{path}:1: not XML: {error}") from error
    return builder.close(), lines


def _mentions(root: Element, what: str) -> Iterator[tuple[Element, Element]]:
    for one in root.iterfind(f"document/{what}"):
        for mention in one.iterfind(f"{what}_mention"):
            yield one, mention


def _attribute(element: Element, name: str) -> str:
    value = element.get(name, "")
    if not value.strip():
        raise ValueError(f"<{element.tag}> without {name}")
    return value


def _kind(element: Element, options: AceOptions) -> str:
    """The type of an entity or relation, with its subtype if that is wished for and there is one."""
    kind, sub = _attribute(element, "TYPE"), element.get("SUBTYPE", "")
    return f"{kind}.{sub}" if sub and options.types == "sub" else kind


def _span(mention: Element, which: str, text: str) -> Span:
    """The span [begin, end) of a mention's head or extent; ValueError says what is wrong with it."""
    key = mention.get("ID")
    sequence = mention.find(f"{which}/charseq")
    if sequence is None:
        raise ValueError(f"{key}: no <charseq> in its <{which}>")
    ends = [sequence.get(end, "") for end in ("START", "END")]
    if not all(NUMBER.fullmatch(end) for end in ends):
        raise ValueError(f"{key}: START and END of its <{which}> are {ends[0]!r} and {ends[1]!r}, not numbers")
    begin, end = int(ends[0]), int(ends[1]) + 1
    if not begin < end <= len(text):
        raise ValueError(f"{key}: {begin} to {end - 1} is no span of the text, which has {len(text)} characters")
    claimed, there = _plain("".join(sequence.itertext())), _plain(text[begin:end])
    if claimed != there:
        raise ValueError(f"{key}: the text at {begin} to {end - 1} is {there[:40]!r}, not {claimed[:40]!r}")
    return begin, end


def _plain(text: str) -> str:
    return " ".join(html.unescape(text).split())


def _arguments(mention: Element, places: Mapping[str, int | None]) -> list[str]:
    """The ids of the two entity mentions that a relation mention relates; ValueError says what is wrong."""
    key, ends = _attribute(mention, "ID"), []
    for role in ("Arg-1", "Arg-2"):
        found = [one for one in mention.iterfind("relation_mention_argument") if one.get("ROLE") == role]
        if len(found) != 1:
            raise ValueError(f"{key}: {len(found)} arguments {role}, not one")
        end = _attribute(found[0], "REFID")
        if end not in places:
            raise ValueError(f"{key}: its {role} {end!r} is no entity mention of the document")
        ends.append(end)
    return ends


def _words(text: str) -> list[Span]:
    return [match.span() for match in TOKEN.finditer(text)]


def english_ends(text: str) -> list[int]:
    """The characters before which an English sentence ends, tags apart."""
    stops = ((match, text[max(0, match.start() - 6) : match.start() + 1]) for match in ENGLISH_END.finditer(text))
    return [*(match.end() for match, before in stops if not ABBREVIATED.search(before)), *_paragraphs(text)]


def chinese_ends(text: str) -> list[int]:
    """The characters before which a Chinese sentence ends, tags apart."""
    return [*(match.end() for match in CHINESE_END.finditer(text)), *_paragraphs(text)]


def _paragraphs(text: str) -> list[int]:
    return [match.end() for match in PARAGRAPH.finditer(text)]
