"""The space as a participant's analyst sees it from Python: products, contracts, questions, answers.

    space = hefu.connect()                              # HEFU_DIR, or a connector's directory or socket
    product = space.products("tumour")[0]
    product.dictionary                                  # what may be asked; never a row
    answer = product.query("SELECT diagnosis, COUNT(*) AS n FROM data GROUP BY diagnosis", epsilon=0.5)
    answer.to_pandas()                                  # n, n_low, n_high

Every call opens the connector's socket anew, so nothing needs closing and a restarted connector is found again.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hefu import canonical
from hefu.errors import Conflict, NotFound
from hefu.terminal.commands import language, pick

from hefu_connector.workbench import combining, link, questions, sampling, scores, tables, totals, trying
from hefu_connector.workbench.answer import Answer
from hefu_connector.workbench.dictionary import Dictionary, dictionaries
from hefu_connector.workbench.estimate import Estimate
from hefu_connector.workbench.joined import Joined
from hefu_connector.workbench.listing import Listing
from hefu_connector.workbench.sample import Sample
from hefu_connector.workbench.scores import Scores

if TYPE_CHECKING:
    from hefu import analysis
    from hefu.v1 import catalog_pb2, control_pb2
    from hefu.v1.control_pb2_grpc import ControlServiceStub
    from hefu_policies.budget import PrivacyLoss
    from hefu_policies.goods.product import Description

Amount = questions.Amount
_WAIT = 60  # seconds


def connect(where: str | os.PathLike[str] | None = None) -> Space:
    """The space that a running connector is in.

    Args:
        where: the connector's directory or its socket; HEFU_DIR where absent.

    Raises:
        Unavailable: no connector runs there.
    """
    from hefu.v1 import control_pb2

    folder = link.directory(where)
    with link.control(folder) as stub:
        found = link.call(stub.GetConnector, control_pb2.GetConnectorRequest())
    return Space(folder, found.participant, found.space)


@dataclass(frozen=True, slots=True)
class Space:
    """A space, seen by one participant.

    Attributes:
        folder: of the participant's connector.
    """

    folder: Path
    participant: str
    id: str

    def products(self, search: str = "", *, provider: str = "", keyword: str = "") -> Listing[Product]:
        """What the catalog has, by words in Chinese or English; all of it without words."""
        with self._stub() as stub:
            found = questions.search(stub, search, provider, keyword)
        return Listing(Product.HEADINGS, [Product.of(self, each) for each in found])

    def product(self, id_: str) -> Product:
        """One product; raises NotFound."""
        with self._stub() as stub:
            return Product.of(self, questions.product(stub, id_))

    def contracts(self, product: str = "") -> Listing[Contract]:
        """Contracts in force under which this participant may ask; of one product where it is named."""
        from hefu.v1 import control_pb2

        with self._stub() as stub:
            found = link.call(stub.ListContracts, control_pb2.ListContractsRequest()).contracts
        active = (each for each in found if each.state == control_pb2.Contract.STATE_ACTIVE)
        mine = [Contract.of(self, each) for each in active if each.consumer == self.participant]
        return Listing(Contract.HEADINGS, [each for each in mine if not product or product in each.products])

    def contract(self, id_: str) -> Contract:
        """One contract that is agreed on; raises NotFound."""
        with self._stub() as stub:
            return Contract.of(self, questions.contract(stub, id_))

    def answer(self, computation: str) -> Answer:
        """The answer of a computation that was asked before; charges nothing; raises as `Answer.of`."""
        with self._stub() as stub:
            return Answer.of(questions.seen(stub, computation))

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
        """One question to several providers at once, their answers combined (`hefu_connector.workbench.combining`).

        Args:
            contracts: one a provider; each charges ε by itself.

        Raises:
            Malformed: it is no query, or asks for what cannot be combined.
            Refused: a provider refused; what others charged stays charged, and their answers stay here.
        """
        with self._stub() as stub:
            held = [questions.contract(stub, each) for each in contracts]
            asked = [combining.Asked(each, questions.described(each)) for each in held]
            return combining.ask(stub, asked, sql, questions.offered(epsilon, delta, rho), purpose)

    def total(
        self,
        sql: str,
        *,
        contracts: Sequence[str],
        epsilon: Amount = "",
        delta: Amount = 0,
        rho: Amount = "",
        aggregator: str = "",
        honest: int = 0,
        purpose: str = "",
    ) -> Answer:
        """One total over several providers, of whose own numbers nobody ever sees one
        (`hefu_connector.workbench.totals`, whose `weighed` multiplies groups by factors).

        Args:
            sql: counts and sums by public groups, such as ``SELECT class, SUM(kwh) AS kwh FROM data GROUP BY class``.
            contracts: one a provider, three or more; each charges by itself.
            aggregator: the provider that adds up; the first where absent.
            honest: of how many providers the noise alone is enough; the least that is more than half where 0.

        Raises:
            Malformed: it is no such query, or there are too few providers.
            Refused: a provider refused; nothing is revealed, and what others charged stays charged.
        """
        wish = totals.Wish(contracts, aggregator, honest, purpose)
        with self._stub() as stub:
            return totals.ask(stub, wish, sql, questions.offered(epsilon, delta, rho), lambda _: None)

    def _stub(self) -> AbstractContextManager[ControlServiceStub]:
        return link.control(self.folder)


@dataclass(frozen=True, slots=True, repr=False)
class Product:
    """A data product of the catalog; its description was verified by the connector."""

    space: Space
    provider: str
    description: Description

    HEADINGS = ("product", "provider", "title", "offers")

    @classmethod
    def of(cls, space: Space, found: catalog_pb2.Product) -> Product:
        """A product as the control socket tells it."""
        return cls(space, found.provider, questions.description(found.description.envelope))

    @property
    def id(self) -> str:
        """Such as ``prd-…``."""
        return self.description.product

    @property
    def title(self) -> str:
        """In the language of HEFU_LANG or LANG."""
        return pick(self.description.title, language())

    @property
    def offers(self) -> tuple[str, ...]:
        """Ids of the offers one may ask a contract on."""
        return tuple(each.id for each in self.description.offers)

    @property
    def guaranteed(self) -> bool:
        """Whether everything this product offers is differentially private."""
        return self.description.has_guarantee()

    @property
    def dictionary(self) -> Dictionary:
        """What each column is; of a product of several resources, of the first. See `dictionaries`."""
        return next(iter(self.dictionaries.values()))

    @property
    def dictionaries(self) -> dict[str, Dictionary]:
        """The dictionary of each resource."""
        return dictionaries(self.description)

    def estimate(self, sql: str, *, epsilon: Amount = "", delta: Amount = 0, rho: Amount = "") -> Estimate:
        """Cost and expected error of a question; needs no contract, touches no data and charges nothing."""
        plan = questions.plan(sql, self.description, *questions.offered(epsilon, delta, rho))
        with self.space._stub() as stub:  # one participant's own words
            return Estimate.of(questions.estimate(stub, self.id, canonical.encode(plan.body())))

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
        """Ask, and wait for the answer.

        Args:
            sql: such as ``SELECT COUNT(*) AS n FROM data``.
            epsilon, rho: privacy loss to spend; the charge is never more. ρ where the contract counts in ρ.
            exact: without noise and without differential privacy, where the contract permits it; no ε then.
            contract: by default the only one in force on this product.
            purpose: an IRI; the contract's by default.

        Raises:
            Malformed: a word of the query is not of the dialect.
            NotFound, Conflict: no contract is in force on the product, or several are.
            Refused: the provider refused; the reasons name the clauses.
        """
        held = self.space.contract(contract) if contract else self.only_contract()
        return held.query(sql, epsilon=epsilon, delta=delta, rho=rho, exact=exact, purpose=purpose, product=self.id)

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
        """Synthetic rows from noised counts, on which questions can be tried; one question is charged for them.

        Args:
            pairs: of columns that are counted together; by default those of few groups that join all columns.
            columns: to count; by default all with declared categories or bounds.
            bins: into which a number's range is cut, at most; by default 10, or fewer where columns are many.
            contract: by default the only one in force on this product.

        Raises:
            NotFound: what draws the rows is not installed (``pip install 'hefu[synthesis]'``); nothing was asked then.
            Malformed, Refused: as `query`.
        """
        wish = sampling.Wish(rows, pairs, tuple(columns), bins)
        held = self.space.contract(contract) if contract else self.only_contract()
        with self.space._stub() as stub:
            found = questions.contract(stub, held.id)
            description = questions.described(found, self.id)
            return sampling.ask(stub, found, description, wish, questions.offered(epsilon, delta, rho), purpose)

    def score(self, table: Any, *, contract: str = "", purpose: str = "", each: int = 0) -> Scores:
        """Have records scored by this model; they are encrypted here, and its provider sees none of them.

        Args:
            table: a table of pandas, polars or Arrow, a mapping of columns, a list of mappings, or the path of a CSV.
            contract: by default the only one in force on this product.
            each: records of one request, at most, in whole blocks (4,096 of a linear model); by default as many as fit.

        Raises:
            Malformed: this is no model, or a value is missing or out of range; its record and column are named, and
                nothing was sent.
            NotFound, Conflict, Refused: as `query`. What was answered before is not asked again.
        """
        held = self.space.contract(contract) if contract else self.only_contract()
        with self.space._stub() as stub:
            found = questions.contract(stub, held.id)
            asked = scores.prepare(found, questions.described(found, self.id), table, purpose, each)
            return scores.gather(stub, asked)

    def try_query(
        self, sql: str, sample: Sample, *, epsilon: Amount = "", delta: Amount = 0, rho: Amount = ""
    ) -> Answer:
        """The answer that a sample gives: in the shape of the real one, with noise as it would have. Nothing is asked.

        Raises:
            Malformed: a word of the query is not of the dialect, or the sample is of another product.
            Refused: it would be refused.
        """
        plan = questions.plan(sql, self.description, *questions.offered(epsilon, delta, rho))
        return trying.attempt(plan, self.description, sample)

    def request(self, *, purpose: str, offer: str = "", wait: int = _WAIT) -> Contract:
        """Ask the provider for a contract, and wait for it to be in force.

        Raises:
            NotFound: it is not in force when the time is over: somebody has to approve it.
        """
        from hefu.v1 import control_pb2

        asked = control_pb2.RequestContractRequest(
            product=link.named("products", self.id), offer=offer, purpose=purpose
        )
        with self.space._stub() as stub:
            made = link.call(stub.RequestContract, asked)
            again = control_pb2.GetContractRequest(name=made.name, wait_seconds=min(max(wait, 0), _WAIT))
            found = link.call(stub.GetContract, again, wait + 30.0)
        if found.state != control_pb2.Contract.STATE_ACTIVE:
            raise NotFound("command.not_in_force", contract=link.short(made.name))
        return Contract.of(self.space, found)

    def join(self, other: Product | str) -> Joined:
        """This product with another of its provider beside it, to be asked as one on their privacy unit."""
        return Joined(self.space.folder, self, self.space.product(other) if isinstance(other, str) else other)

    def only_contract(self) -> Contract:
        """The only contract in force on the product; raises NotFound, Conflict where there is none or are several."""
        found = self.space.contracts(self.id)
        if not found:
            raise NotFound("question.no_contract", product=self.id)
        if len(found) > 1:
            names = ", ".join(each.id for each in found)
            raise Conflict("question.which_contract", product=self.id, contracts=names)
        return found[0]

    def row(self) -> list[str]:
        """A line of a listing."""
        return [self.id, self.provider, self.title, ", ".join(self.offers)]

    def __repr__(self) -> str:
        return f"<{self.id} of {self.provider}: {self.title}>"

    def _repr_html_(self) -> str:
        return tables.html(self.HEADINGS, [self.row()]) + self.dictionary._repr_html_()


@dataclass(frozen=True, slots=True, repr=False)
class Contract:
    """A contract that is agreed on.

    Attributes:
        products: that may be asked under it, each of another provider.
        left, releases_left: what may still be spent, as far as this side knows.
    """

    space: Space
    id: str
    provider: str
    purpose: str
    products: tuple[str, ...]
    left: PrivacyLoss
    releases_left: int

    HEADINGS = ("contract", "provider", "products", "purpose", "left", "releases left")

    @property
    def epsilon_left(self) -> Decimal:
        """What may still be spent, where it is counted in ε."""
        return self.left.epsilon

    @classmethod
    def of(cls, space: Space, found: control_pb2.Contract) -> Contract:
        """A contract as the control socket tells it."""
        envelopes = [each.envelope for each in found.descriptions] or [found.description.envelope]
        balance = found.balance
        return cls(
            space=space,
            id=link.short(found.agreement_name),
            provider=found.provider,
            purpose=found.purpose,
            products=tuple(questions.description(each).product for each in envelopes),
            left=_left(balance),
            releases_left=max(0, balance.limit_releases - balance.charged_releases),
        )

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
        """Ask under this contract, and wait; ``product`` where it has several. Raises as `Product.query`."""
        with self.space._stub() as stub:
            held = questions.contract(stub, self.id)
            description = questions.described(held, product)
            body = (
                questions.exact(sql, description).body()
                if exact
                else questions.plan(sql, description, *questions.offered(epsilon, delta, rho)).body()
            )
            made = questions.send(stub, held.agreement_name, canonical.encode(body), purpose)
            *_, last = questions.follow(stub, made.computation.name)
        return Answer.of(last)

    def row(self) -> list[str]:
        """A line of a listing."""
        left = [tables.loss(self.left), str(self.releases_left)]
        return [self.id, self.provider, ", ".join(self.products), self.purpose, *left]

    def __repr__(self) -> str:
        return f"<{self.id} with {self.provider}: {tables.loss(self.left)} left>"

    def _repr_html_(self) -> str:
        return tables.html(self.HEADINGS, [self.row()])


def _left(balance: control_pb2.Balance) -> PrivacyLoss:
    from hefu_policies.budget import PrivacyLoss

    names = ("epsilon_nano", "delta_femto", "rho_nano")
    return PrivacyLoss(*(max(0, getattr(balance.limit, each) - getattr(balance.charged, each)) for each in names))


if TYPE_CHECKING:
    # What `hefu.connect` promises is what it gives: checked with the types.
    def _promised(where: str) -> analysis.Space:
        return connect(where)
