"""A median by the two mechanisms that serve it, at equal ε, on departures of 2013: how far each is from the truth.

    python benchmarks/quantiles.py

Counts: noised counts of at most 100 bins, which give the value and its interval. Chosen: a quarter of ε chooses the bin
by report noisy max of ranks, and the counts have the rest. The true bin is that of the same rows without noise, so that
the error is the noise's alone.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from decimal import Decimal
from pathlib import Path

from hefu_connector.computing.computation import Aggregate, Plan
from hefu_connector.engines import counting, quantiles
from hefu_connector.engines.statistics import Statistics
from hefu_connector.ports import Values
from hefu_policies.budget import Budget, PrivacyLoss
from hefu_policies.goods.resource import Bounds, Column, Fact, Privacy, Resource
from hefu_space import data
from measure import Page

LOSSES = ("0.02", "0.1", "0.5", "2")
ASKED = (("departure_delay", Bounds(Decimal(-30), Decimal(180), Decimal(1))),
         ("distance", Bounds(Decimal(0), Decimal(3000), Decimal(1))))  # fmt: skip
CARRIERS = ("AA", "B6", "DL", "EV", "MQ", "UA", "US", "WN")
Found = tuple[list[float], list[float]]  # errors and half widths
_EXACT = PrivacyLoss(10**15)
_RULE = quantiles.is_near


class Asker:
    """A table of departures, an aircraft being the privacy unit."""

    def __init__(self, path: Path, rows: int) -> None:
        columns = (Column("aircraft", "text"), Column("carrier", "text", categories=CARRIERS))
        columns += tuple(Column(name, "decimal", bounds=bounds) for name, bounds in ASKED)
        self._resource = Resource(
            "res-flights",
            columns,
            Privacy("aircraft", 3, Budget(PrivacyLoss(10**15), 10**6)),
            (Fact("rows", str(rows)),),
        )
        self._path = path

    def ask(self, column: str, by: tuple[str, ...], loss: PrivacyLoss, *, chosen: bool) -> Values:
        """One answer."""
        quantiles.is_near = lambda *_: chosen  # type: ignore[assignment]
        asked = Aggregate("quantile", "q", column, quantile=Decimal("0.5"))
        prepared = Statistics().prepare(Plan("prd-flights", (asked,), loss, None, by).body(), self._resource, None)
        return Statistics().read(counting.run(prepared.parameters, self._path, "csv", {}), prepared)

    def served(self, column: str, by: tuple[str, ...], loss: PrivacyLoss) -> str:
        """Which of the two a connector answers with."""
        quantiles.is_near = _RULE
        asked = Aggregate("quantile", "q", column, quantile=Decimal("0.5"))
        prepared = Statistics().prepare(Plan("prd-flights", (asked,), loss, None, by).body(), self._resource, None)
        return "chosen" if len(prepared.mechanisms) > 1 else "counts"

    def off(self, column: str, by: tuple[str, ...], loss: PrivacyLoss, rounds: int, *, chosen: bool) -> Found:
        """Errors of all groups and rounds beside the truth, and half widths."""
        truth = [float(row[-1] or "nan") for row in self.ask(column, by, _EXACT, chosen=False).rows]
        errors, widths = [], []
        for _ in range(rounds):
            values = self.ask(column, by, loss, chosen=chosen)
            for row, width, true in zip(values.rows, values.half_widths, truth, strict=True):
                if row[-1] is not None and width[-1] is not None:
                    errors.append(abs(float(row[-1]) - true))
                    widths.append(float(width[-1]))
        return errors, widths


def main(arguments: argparse.Namespace) -> None:
    """Measure and write the page."""
    page = Page("quantiles", "A median by its two mechanisms, at equal ε")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "flights.csv"
        extract = data.airports()[0]
        extract.write(path)
        asker, rows = Asker(path, len(extract.rows)), []
        for column, _ in ASKED:
            for by in ((), ("carrier",)):
                for text in LOSSES:
                    loss = PrivacyLoss.of_text(text, "0")
                    both = [asker.off(column, by, loss, arguments.rounds, chosen=each) for each in (False, True)]
                    errors = [statistics.fmean(each) for each, _ in both]
                    widths = [statistics.fmean(each) for _, each in both]
                    ratio = f"{errors[1] / errors[0]:.2f}" if errors[0] else "-"
                    figures = [f"{each:.2f}" for each in (*errors, *widths)]
                    rows.append(
                        (
                            column,
                            ", ".join(by) or "-",
                            text,
                            figures[0],
                            figures[1],
                            ratio,
                            asker.served(column, by, loss),
                            *figures[2:],
                        )
                    )
    page.say(
        f"{len(extract.rows):,} departures of an airport, at most 3 of an aircraft; {arguments.rounds} answers a line,",
        f"by carrier {len(CARRIERS)} times as many. Errors are means of the distance to the median of the rows, in the",
        "column's own unit, and hold what a bound leaves out and the grid; behind them mean half widths of 95 %",
        "intervals. Which mechanism serves is said by the description and the question alone; no row is looked at.",
        "",
    )
    heads = ("column", "by", "ε", "counts", "chosen", "chosen ÷ counts", "served", "± of counts", "± beside the choice")
    page.table(heads, rows)
    if arguments.write:
        page.write()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--no-write", dest="write", action="store_false", help="print only")
    main(parser.parse_args())
