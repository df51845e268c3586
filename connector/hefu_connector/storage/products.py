"""Own products of a space: every version that was ever signed; and what each asset keeps for life, in all spaces."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hefu.envelope import Statement
from hefu.errors import Conflict, NotFound, Untrusted
from hefu_policies.agreeing.contract import PUBLISHED
from hefu_policies.budget import Budget, PrivacyLoss
from hefu_policies.goods.product import Description
from hefu_policies.goods.resource import Resource
from sqlalchemy import Connection, RowMapping, Select, insert, select, update

from hefu_connector.shelves import OwnProduct, ProductState
from hefu_connector.storage.database import Database, insert_new, lock
from hefu_connector.storage.models import ASSETS, PRODUCTS

RETIRED = "product.retired"


class SqlProducts:
    """`shelves.Products` in the connector's database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def keep(self, statement: Statement, state: ProductState) -> OwnProduct:
        """As in the port."""
        with self._database.writing() as connection:
            lock(connection, "products")
            if state is ProductState.RETIRED:
                return _retire(connection, self._database.space, statement.expect(RETIRED))
            return _keep(connection, self._database.space, statement.expect(PUBLISHED), state)

    def find(self, product: str) -> OwnProduct | None:
        """As in the port."""
        with self._database.reading() as connection:
            return _find(connection, self._database.space, product)

    def described(self, digest: str) -> OwnProduct | None:
        """As in the port."""
        with self._database.reading() as connection:
            return _first(connection, _version(self._database.space, digest))

    def draft(self, product: str) -> OwnProduct | None:
        """As in the port."""
        with self._database.reading() as connection:
            published = _published(connection, self._database.space, product)
            newest = _first(connection, _drafts(self._database.space, product))
        if newest is None or (published is not None and not _follows(published, newest.description)):
            return None
        return newest

    def all(self, resource: str = "") -> Sequence[OwnProduct]:
        """As in the port."""
        query = select(PRODUCTS.c.product, PRODUCTS.c.space).distinct()
        if not resource:
            query = query.where(PRODUCTS.c.space == self._database.space)
        with self._database.reading() as connection:
            names = sorted((row.product, row.space) for row in connection.execute(query))
            found = [_find(connection, space, name) for name, space in names]
        return [
            each
            for each in found
            if each is not None and (not resource or resource in {one.id for one in each.description.resources})
        ]


def _keep(connection: Connection, space: str, statement: Statement, state: ProductState) -> OwnProduct:
    description = Description.of(statement.body)
    digest = statement.digest()
    kept = _first(connection, _version(space, digest))
    if kept is not None and (kept.state is state or kept.state is not ProductState.DRAFTED):
        return kept
    published = _published(connection, space, description.product)
    if published is not None and published.state is ProductState.RETIRED:
        raise Conflict("product.retired", product=description.product)
    if not _follows(published, description):
        raise Conflict("product.order", product=description.product, version=description.version)
    for resource in description.resources:
        _check_asset(connection, resource, fix=state is ProductState.PUBLISHED)
    if kept is None:
        row = {"digest": digest, "space": space, "product": description.product, "state": state.value}
        connection.execute(insert(PRODUCTS).values(**row, version=description.version, statement=statement.to_bytes()))
    else:
        _change(connection, space, digest, state=state.value)
    return OwnProduct(description.product, description.version, state, statement, description)


def _retire(connection: Connection, space: str, retirement: Statement) -> OwnProduct:
    product = str(retirement.body.get("product"))
    published = _published(connection, space, product)
    if published is None:
        raise NotFound("resource.not_found", what="product", name=product)
    if published.retirement is not None:
        if published.retirement.digest() != retirement.digest():
            raise Conflict("product.retired", product=product)
        return published
    digest = published.statement.digest()
    if retirement.body.get("description") != digest:
        raise Conflict("product.order", product=product, version=published.version)
    _change(connection, space, digest, state=ProductState.RETIRED.value, retirement=retirement.to_bytes())
    description, version = published.description, published.version
    return OwnProduct(product, version, ProductState.RETIRED, published.statement, description, retirement)


def _follows(published: OwnProduct | None, description: Description) -> bool:
    if published is None:
        return description.version == 1 and description.previous is None
    return (description.version, description.previous) == (published.version + 1, published.statement.digest())


def _check_asset(connection: Connection, resource: Resource, *, fix: bool) -> None:
    # INVARIANT: one privacy unit, relation and currency an asset, and a total that never grows (Q-e).
    query = select(ASSETS).where(ASSETS.c.resource == resource.id)
    row = connection.execute(query).mappings().one_or_none()
    if row is not None:
        _check_same(resource, row)
    if fix:
        values = _asset(resource)
        if not insert_new(connection, ASSETS, **values):
            connection.execute(update(ASSETS).where(ASSETS.c.resource == resource.id).values(values))


def _check_same(resource: Resource, row: RowMapping) -> None:
    given = _asset(resource)
    loss = PrivacyLoss(row["epsilon_nano"], row["delta_femto"], row["rho_nano"])
    total = Budget(loss, row["releases"], row["currency"])
    differs = [name for name in ("unit", "neighbouring", "currency") if given[name] != row[name]]
    if not resource.privacy.lifetime.fits(total):
        differs.append("lifetime")
    if differs:
        raise Conflict("asset.differs", resource=resource.id, what=", ".join(differs))


def _asset(resource: Resource) -> dict[str, Any]:
    privacy = resource.privacy
    return {
        "resource": resource.id,
        "unit": privacy.unit,
        "neighbouring": privacy.neighbouring,
        "currency": privacy.lifetime.currency,
        "epsilon_nano": privacy.lifetime.loss.epsilon_nano,
        "delta_femto": privacy.lifetime.loss.delta_femto,
        "releases": privacy.lifetime.releases,
        "rho_nano": privacy.lifetime.loss.rho_nano,
    }


def _change(connection: Connection, space: str, digest: str, **values: Any) -> None:
    mine = update(PRODUCTS).where(PRODUCTS.c.space == space, PRODUCTS.c.digest == digest)
    connection.execute(mine.values(**values))


def _find(connection: Connection, space: str, product: str) -> OwnProduct | None:
    return _published(connection, space, product) or _first(connection, _drafts(space, product))


def _version(space: str, digest: str) -> Select[Any]:
    return select(PRODUCTS).where(PRODUCTS.c.space == space, PRODUCTS.c.digest == digest)


def _published(connection: Connection, space: str, product: str) -> OwnProduct | None:
    mine = select(PRODUCTS).where(PRODUCTS.c.space == space, PRODUCTS.c.product == product)
    listed = mine.where(PRODUCTS.c.state != ProductState.DRAFTED.value)
    return _first(connection, listed.order_by(PRODUCTS.c.version.desc()))


def _drafts(space: str, product: str) -> Select[Any]:
    mine = select(PRODUCTS).where(PRODUCTS.c.space == space, PRODUCTS.c.product == product)
    return mine.where(PRODUCTS.c.state == ProductState.DRAFTED.value).order_by(PRODUCTS.c.position.desc())


def _first(connection: Connection, query: Select[Any]) -> OwnProduct | None:
    row = connection.execute(query.limit(1)).mappings().one_or_none()
    return None if row is None else _read(row)


def _read(row: RowMapping) -> OwnProduct:
    statement = Statement.parse(row["statement"])
    if statement.digest() != row["digest"]:
        raise Untrusted("contract.broken", agreement=row["product"], where="description")
    return OwnProduct(
        product=row["product"],
        version=row["version"],
        state=ProductState(row["state"]),
        statement=statement,
        description=Description.of(statement.body),
        retirement=None if row["retirement"] is None else Statement.parse(row["retirement"]),
    )
