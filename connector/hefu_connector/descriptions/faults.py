"""What is wrong with a product file: on which line, at which place, and what to write instead; in both languages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from hefu.errors import Language, Malformed

from hefu_connector.descriptions.words import REMEDIES


@dataclass(frozen=True, slots=True)
class Fault:
    """One mistake.

    Attributes:
        line: counts from 1.
        place: path of the key, for example ``columns[2].bounds``; empty for the whole file.
        what: a code of `hefu.messages`, such as ``product.missing``.
        remedy: a key of `REMEDIES` that says what to write; may be empty.
        parameters: fill the sentence; never a value of a table.
    """

    line: int
    place: str
    what: str
    remedy: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)

    def text(self, language: Language = "en") -> str:
        """The sentences for people: what is wrong, then what to write."""
        sentence = Malformed(self.what, **{"place": self.place, **self.parameters}).public(language)
        advice = REMEDIES[self.remedy][language] if self.remedy else ""
        if not advice:
            return sentence
        return f"{sentence}{advice}" if language == "zh" else f"{sentence} {advice}"

    def told(self, language: Language = "en") -> str:
        """As `text`, with the line in front."""
        return (
            f"第 {self.line} 行：{self.text(language)}"
            if language == "zh"
            else f"line {self.line}: {self.text(language)}"
        )


def refuse(faults: Sequence[Fault], name: str, language: Language = "en") -> None:
    """Raise all mistakes as one error, if there are any.

    Raises:
        Malformed: its reasons are the mistakes, one a line.
    """
    if faults:
        reasons = [each.told(language) for each in faults]
        raise Malformed("product.faulty", reasons=reasons, name=name, count=len(faults))
