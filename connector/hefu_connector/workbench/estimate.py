"""What a question would cost and how far off its answer would be: told before anything is charged."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from hefu_connector.workbench import tables
from hefu_connector.workbench.frames import Noise

if TYPE_CHECKING:
    from hefu.v1 import computation_pb2
    from hefu_policies.budget import PrivacyLoss

_HEADINGS = ("column", "± (95 %)", "mechanism", "scale")


@dataclass(frozen=True, slots=True, repr=False)
class Estimate:
    """Cost and error of a question.

    Attributes:
        cells: how many cells the answer will have; public, from the declared keys.
        noise: of each column; its half width is empty where it depends on the answer.
    """

    charge: PrivacyLoss
    cells: int
    noise: tuple[Noise, ...]

    @classmethod
    def of(cls, found: computation_pb2.Estimate) -> Estimate:
        """An estimate as the control socket tells it."""
        from hefu_policies.budget import PrivacyLoss

        return cls(
            charge=PrivacyLoss(found.charge.epsilon_nano, found.charge.delta_femto, found.charge.rho_nano),
            cells=found.cells,
            noise=tuple(Noise(each.column, each.mechanism, each.scale, each.half_width) for each in found.errors),
        )

    @property
    def epsilon(self) -> Decimal:
        """What would be charged, where it is counted in ε."""
        return self.charge.epsilon

    def half_width(self, column: str) -> Decimal | None:
        """Of the 95 % interval of a column's cells; None where it depends on the answer; raises KeyError."""
        found = [each.half_width for each in self.noise if each.column == column]
        if not found:
            raise KeyError(column)
        return Decimal(found[0]) if found[0] else None

    def __repr__(self) -> str:
        return "\n".join([*tables.lines(_HEADINGS, self._rows()), *self._notes()])

    def _repr_html_(self) -> str:
        return tables.html(_HEADINGS, self._rows(), self._notes())

    def _rows(self) -> list[list[str]]:
        return [
            [each.column, f"± {tables.interval(each.half_width)}" if each.half_width else "depends on the answer",
             each.mechanism, each.scale]
            for each in self.noise
        ]  # fmt: skip

    def _notes(self) -> list[str]:
        return [f"Would cost {tables.loss(self.charge)} and answer {self.cells} cells. Nothing was charged."]
