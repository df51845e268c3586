"""What `hefu.connect` gives, as types. The rooms behind it stand in the connector's tower; this floor imports none.

They are found by name when somebody connects, as commands are, so that the base install stays small.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, Protocol, cast

from hefu.errors import NotFound

_ROOM = "hefu_connector.workbench.space"
_MODELS = "hefu_connector.workbench.models"
Amount = str | float | Decimal
Number = int | float | str | Decimal


class Shown(Protocol):
    """What shows itself in a notebook."""

    def _repr_html_(self) -> str:
        """HTML, escaped."""


class Answer(Shown, Protocol):
    """A released answer; each noised value comes with its 95 % interval."""

    @property
    def headings(self) -> tuple[str, ...]:
        """Group keys first, then what was asked."""

    @property
    def rows(self) -> tuple[tuple[str | None, ...], ...]:
        """Decimal texts; None where a cell is withheld."""

    @property
    def guaranteed(self) -> bool:
        """Whether it is differentially private; an exact aggregate is not."""

    @property
    def withheld(self) -> int:
        """How many cells nothing is told of."""

    @property
    def parts(self) -> Sequence[Answer]:
        """Of a combined answer, the answer of each provider."""

    def values(self, heading: str) -> tuple[Decimal | str | None, ...]:
        """One column: texts of a key, exact decimals of anything else; raises KeyError."""

    def intervals(self, heading: str) -> tuple[tuple[Decimal, Decimal] | None, ...]:
        """The 95 % interval of each cell of a column."""

    def to_arrow(self) -> Any:
        """A `pyarrow.Table` with metadata."""

    def to_pandas(self) -> Any:
        """A `pandas.DataFrame`."""

    def to_polars(self) -> Any:
        """A `polars.DataFrame`."""

    def write(self, path: str | os.PathLike[str], form: str = "") -> None:
        """Write a new file: arrow, parquet or csv."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[dict[str, Decimal | str | None]]: ...


class Scores(Shown, Protocol):
    """Scores of records that the model's provider did not see."""

    @property
    def values(self) -> tuple[Decimal, ...]:
        """One a record, in their order, on the model's grid."""

    @property
    def tolerance(self) -> Decimal:
        """How far one may be from the plain model's."""

    @property
    def charged(self) -> int:
        """Exact releases that were charged now; what had been asked before costs nothing."""

    @property
    def computations(self) -> tuple[str, ...]:
        """That answered; each has a receipt."""

    def to_pandas(self) -> Any:
        """A `pandas.Series`."""

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write a new CSV file."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[Decimal]: ...


class Sample(Shown, Protocol):
    """Synthetic rows of a product; none is anybody's."""

    @property
    def data_rows(self) -> int:
        """How many rows the data has, as far as noised counts tell."""

    @property
    def left_out(self) -> tuple[str, ...]:
        """Columns about which nothing was asked."""

    def to_arrow(self) -> Any:
        """A `pyarrow.Table` with metadata."""

    def to_pandas(self) -> Any:
        """A `pandas.DataFrame`."""

    def to_polars(self) -> Any:
        """A `polars.DataFrame`."""

    def write(self, path: str | os.PathLike[str], form: str = "") -> None:
        """Write a new file: parquet, arrow or csv."""

    def __len__(self) -> int: ...


class Estimate(Shown, Protocol):
    """What a question would cost, and how far off its answer would be."""

    @property
    def epsilon(self) -> Decimal:
        """What would be charged."""

    @property
    def cells(self) -> int:
        """How many cells the answer will have."""

    def half_width(self, column: str) -> Decimal | None:
        """Of the 95 % interval of a column's cells; None where it depends on the answer; raises KeyError."""


class Dictionary(Shown, Protocol):
    """What each column of a product is, as its provider declared it."""

    def to_pandas(self) -> Any:
        """A `pandas.DataFrame`, one row a column."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: Any) -> Any: ...


class Contract(Shown, Protocol):
    """A contract that is agreed on."""

    @property
    def id(self) -> str:
        """Such as ``agr-…``."""

    @property
    def epsilon_left(self) -> Decimal:
        """What may still be spent, as far as this side knows."""

    @property
    def releases_left(self) -> int:
        """How many answers may still be released."""

    def query(
        self,
        sql: str,
        *,
        epsilon: Amount = "",
        delta: Amount = 0,
        rho: Amount = "",
        exact: bool = False,
        purpose: str = "",
        product: str = "",
    ) -> Answer:
        """Ask under this contract, and wait."""


class Joined(Protocol):
    """Two products of one provider, asked as one; in SQL both are ``data``."""

    def estimate(self, sql: str, *, epsilon: Amount = "", delta: Amount = 0, rho: Amount = "") -> Estimate:
        """Cost and expected error of a question; charges nothing."""

    def query(
        self,
        sql: str,
        *,
        epsilon: Amount = "",
        delta: Amount = 0,
        rho: Amount = "",
        contract: str = "",
        joined: str = "",
        purpose: str = "",
    ) -> Answer:
        """Ask, and wait for the answer; each contract is charged in full."""


class Product(Shown, Protocol):
    """A data product of the catalog."""

    @property
    def id(self) -> str:
        """Such as ``prd-…``."""

    @property
    def title(self) -> str:
        """In the language of HEFU_LANG or LANG."""

    @property
    def offers(self) -> tuple[str, ...]:
        """Ids of the offers one may ask a contract on."""

    @property
    def guaranteed(self) -> bool:
        """Whether everything it offers is differentially private."""

    @property
    def dictionary(self) -> Dictionary:
        """What each column is."""

    @property
    def dictionaries(self) -> Mapping[str, Dictionary]:
        """The dictionary of each of its resources."""

    def estimate(self, sql: str, *, epsilon: Amount = "", delta: Amount = 0, rho: Amount = "") -> Estimate:
        """Cost and expected error of a question; charges nothing."""

    def query(
        self,
        sql: str,
        *,
        epsilon: Amount = "",
        delta: Amount = 0,
        rho: Amount = "",
        exact: bool = False,
        contract: str = "",
        purpose: str = "",
    ) -> Answer:
        """Ask, and wait for the answer."""

    def sample(
        self,
        rows: int = 1000,
        *,
        epsilon: Amount = "",
        delta: Amount = 0,
        rho: Amount = "",
        pairs: Sequence[tuple[str, str]] | None = None,
        columns: Sequence[str] = (),
        bins: int | None = None,
        contract: str = "",
        purpose: str = "",
    ) -> Sample:
        """Synthetic rows from noised counts, on which questions can be tried; one question is charged for them."""

    def score(self, table: Any, *, contract: str = "", purpose: str = "", each: int = 0) -> Scores:
        """Have records scored by this model, encrypted; a table, or the path of a CSV file."""

    def try_query(self, sql: str, sample: Any, *, epsilon: Amount = "", delta: Amount = 0, rho: Amount = "") -> Answer:
        """The answer that a `Sample` gives, with noise as the real one would have. Nothing is asked or charged."""

    def join(self, other: Any) -> Joined:
        """The same with another product of its provider beside it, or the id of one, on the privacy unit of both."""

    def request(self, *, purpose: str, offer: str = "", wait: int = 60) -> Contract:
        """Ask the provider for a contract, and wait for it to be in force."""


class Listing(Shown, Protocol):
    """A sequence that shows itself as a table."""

    def __len__(self) -> int: ...


class Products(Listing, Protocol):
    """Products, in the catalog's order."""

    def __getitem__(self, index: int, /) -> Product: ...

    def __iter__(self) -> Iterator[Product]: ...


class Contracts(Listing, Protocol):
    """Contracts, newest first."""

    def __getitem__(self, index: int, /) -> Contract: ...

    def __iter__(self) -> Iterator[Contract]: ...


class Space(Protocol):
    """A data space, seen by one participant."""

    @property
    def participant(self) -> str:
        """Who asks."""

    def products(self, search: str = "", *, provider: str = "", keyword: str = "") -> Products:
        """What the catalog has, by words in Chinese or English."""

    def product(self, id_: str) -> Product:
        """One product; raises NotFound."""

    def contracts(self, product: str = "") -> Contracts:
        """Contracts in force under which this participant may ask."""

    def contract(self, id_: str) -> Contract:
        """One contract that is agreed on; raises NotFound."""

    def answer(self, computation: str) -> Answer:
        """The answer of a computation that was asked before; charges nothing."""

    def query(
        self,
        sql: str,
        *,
        contracts: Sequence[str],
        epsilon: Amount = "",
        delta: Amount = 0,
        rho: Amount = "",
        purpose: str = "",
    ) -> Answer:
        """One question to several providers at once, their answers combined."""


def connect(where: str | os.PathLike[str] | None = None) -> Space:
    """As `hefu.connect`."""
    return cast("Space", _room(_ROOM).connect(where))


def export_model(fitted: Any, path: str | os.PathLike[str], **said: Any) -> str:
    """As `hefu.export_model`."""
    return str(_room(_MODELS).export(fitted, path, **said))


def _room(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as fault:
        raise NotFound("question.package", package=(fault.name or "hefu_connector").partition(".")[0]) from None
