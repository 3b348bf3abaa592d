"""What a study claims about its arms, as typed values: ``full > without crf on dev/f1``."""

import re
from dataclasses import dataclass
from typing import Annotated, Any, Literal, cast

from pydantic import PlainSerializer, PlainValidator

Sign = Literal[">", "<"]

_FORM = re.compile(r"(?P<left>\S.*?)\s+(?P<sign>[<>])\s+(?P<right>\S.*?)(?:\s+on\s+(?P<metric>\S+))?")


@dataclass(frozen=True)
class Claim:
    """One arm scores higher (``>``) or lower (``<``) than another; which of the two is better, the metric knows."""

    left: str
    sign: Sign
    right: str
    metric: str | None = None
    """None: the study's objective."""

    def __str__(self) -> str:
        return f"{self.left} {self.sign} {self.right}" + ("" if self.metric is None else f" on {self.metric}")


def parse(text: Any) -> Claim:
    """A claim from its text: ``ARM > ARM`` or ``ARM < ARM``, and ``on METRIC`` unless the objective is meant.

    Raises:
        ValueError: the text has another form.
    """
    found = _FORM.fullmatch(text.strip()) if isinstance(text, str) else None
    if found is None:
        raise ValueError(f"{text!r} is no claim: write `ARM > ARM on METRIC`, or with <; the objective needs no `on`")
    return Claim(found["left"], cast(Sign, found["sign"]), found["right"], found["metric"])


def _claim(value: Any) -> Claim:
    return value if isinstance(value, Claim) else parse(value)


WrittenClaim = Annotated[Claim, PlainValidator(_claim), PlainSerializer(str)]
"""A claim as a field of a model: text in its file, a ``Claim`` from there on."""
