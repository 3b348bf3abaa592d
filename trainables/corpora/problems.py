"""Malformed lines or items of a corpus file: collected, so that one message shows many, each with its place."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from relab.errors import DataError

SHOWN = 20
"""How many malformed lines of a file a message lists; the rest are counted."""


@dataclass
class Problems:
    """What is wrong with the file at ``path``, in the order in which it was found."""

    path: Path
    unit: Literal["line", "item"] = "line"
    """What the numbers count: lines of the file, or items of the JSON list in it."""
    found: list[tuple[int, str]] = field(default_factory=list)

    def add(self, line: int, reason: str) -> None:
        """Note that line or item ``line`` (counted from 1) is malformed."""
        self.found.append((line, reason))

    def fail(self) -> None:
        """Raise a DataError if anything was noted.

        Raises:
            DataError: ``file:line: reason`` or ``file: item number: reason``, one line each, at most ``SHOWN`` of them.
        """
        if not self.found:
            return
        place = f"{self.path}:" if self.unit == "line" else f"{self.path}: item "
        lines = [f"{place}{line}: {reason}" for line, reason in sorted(self.found)[:SHOWN]]
        if len(self.found) > SHOWN:
            lines.append(f"{self.path}: and {len(self.found) - SHOWN:,} more malformed {self.unit}s")
        raise DataError("\n".join(lines))


def read_bytes(path: Path) -> bytes:
    """The bytes of ``path``.

    Raises:
        DataError: the file cannot be read, or is empty.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
    if not data:
        raise DataError(f"{path}:1: the file is empty")
    return data


def text_lines(data: bytes) -> list[bytes]:
    """The lines of a file without their ends; a missing line end after the last one is no error."""
    return data.removesuffix(b"\n").split(b"\n")


def decode(line: bytes) -> tuple[str, str | None]:
    """One line as text, and what is wrong with its encoding or line end, if anything."""
    if line.endswith(b"\r"):
        return "", "the line ends in CR LF; the format's lines end in LF alone"
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as error:
        return "", f"not UTF-8: byte 0x{line[error.start]:02x} at place {error.start + 1} of the line"
    if "\r" in text:
        return "", "a carriage return inside the line"
    if text.startswith("\ufeff"):
        return "", "starts with a byte order mark"
    return text, None
