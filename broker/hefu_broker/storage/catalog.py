"""Data products, their versions, resources and full-text index in the database."""

from __future__ import annotations

from typing import Any

from hefu.errors import Conflict, NotFound, Refused
from hefu.times import write_time
from hefu_policies.budget import Budget, PrivacyLoss
from hefu_policies.goods.product import PUBLIC, Description
from hefu_policies.states.lifecycle import ProductState
from sqlalchemy import ColumnElement, and_, exists, func, or_
from sqlalchemy import select as sql_select
from sqlmodel import Session, SQLModel, col, select
from sqlmodel.sql.expression import SelectOfScalar

from hefu_broker.records import Card, Found, Listing, Outgoing, ResourceRecord, Search
from hefu_broker.storage import kept, search
from hefu_broker.storage.database import Database
from hefu_broker.storage.external import add_external_ids
from hefu_broker.storage.models import (
    PRODUCTS,
    VERSIONS,
    ClassificationRow,
    KeywordRow,
    OfferReaderRow,
    OfferRow,
    ProductRow,
    ResourceRow,
    VersionResourceRow,
    VersionRow,
)
from hefu_broker.storage.outbox import queue

_LISTING = sql_select(PRODUCTS.c.state, VERSIONS.c.statement).join(
    VERSIONS, and_(VERSIONS.c.space_id == PRODUCTS.c.space_id, VERSIONS.c.product == PRODUCTS.c.id)
)


class SqlCatalogStore:
    """`hefu_broker.ports.CatalogStore` in the database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def publish(self, listing: Listing, previous: str | None, words: tuple[str, str, str], outgoing: Outgoing) -> None:
        """See the port."""
        space = self._database.space
        with self._database.writing() as session:
            _move(session, listing, previous, space)
            for resource in listing.resources():
                _hold(session, resource, space)
            row = _version_row(listing, space)
            session.add(row)
            session.flush()
            number = row.id or 0
            session.add_all(_parts(listing.description, number))
            session.flush()
            search.keep(session, number, words)
            add_external_ids(session, space, "product", listing.product, listing.description.external_ids)
            queue(session, space, [outgoing])

    def retire(self, product: str, retirement: Outgoing) -> Listing:
        """See the port."""
        with self._database.writing() as session:
            row = _product(session, product, self._database.space)
            if row.state != ProductState.RETIRED:
                row.state, row.retirement = ProductState.RETIRED, retirement.envelope
                queue(session, self._database.space, [retirement])
            return _listing(row, _newest(session, row))

    def listing(self, product: str, description: str | None = None) -> Listing:
        """See the port."""
        wanted = _LISTING.where(PRODUCTS.c.space_id == self._database.space, PRODUCTS.c.id == product)
        of = PRODUCTS.c.version == VERSIONS.c.version if description is None else VERSIONS.c.digest == description
        with self._database.reading() as session:
            found = session.connection().execute(wanted.where(of)).first()
        if found is None:
            what, name = ("product", product[:64]) if description is None else ("description", description[:80])
            raise NotFound("resource.not_found", what=what, name=name)
        state, envelope = found
        return Listing(kept.statement(envelope), kept.description(envelope), ProductState(state))

    def search(self, query: Search, skip: int, size: int) -> Found:
        """See the port."""
        wanted = (
            select(ProductRow.id, ProductRow.provider, VersionRow.statement)
            .join(
                VersionRow,
                and_(
                    col(VersionRow.space_id) == ProductRow.space_id,
                    col(VersionRow.product) == ProductRow.id,
                    col(VersionRow.version) == ProductRow.version,
                ),
            )
            .where(*_conditions(query, self._database.space))
        )
        order: list[Any] = [col(ProductRow.id)]
        with self._database.reading() as session:
            if query.phrases:
                found = search.matches(session, query.phrases)
                wanted = wanted.join(found, found.c.version == VersionRow.id)
                order.insert(0, found.c.rank)
            total = session.exec(select(func.count()).select_from(wanted.subquery())).one()
            rows = session.exec(wanted.order_by(*order).offset(skip).limit(size)).all()
            return Found(tuple(Card(*row) for row in rows), total)

    def resource(self, id_: str) -> ResourceRecord | None:
        """See the port."""
        with self._database.reading() as session:
            row = session.get(ResourceRow, (self._database.space, id_))
            return _resource(row) if row else None


def _move(session: Session, listing: Listing, previous: str | None, space: str) -> None:
    """Make the product's row point at the new version, if the one before is still the newest."""
    row = session.get(ProductRow, (space, listing.product))
    if row is None and previous is None:
        kind, state = listing.description.kind, ProductState.LISTED
        session.add(
            ProductRow(id=listing.product, space_id=space, provider=listing.provider, kind=kind, state=state, version=1)
        )
        session.flush()
        return
    if row is None or row.provider != listing.provider:
        raise Conflict("product.taken", product=listing.product)
    newest = _newest(session, row)
    if row.state != ProductState.LISTED:
        raise Conflict("product.unlisted", product=listing.product)
    due = (previous, newest.version + 1, row.kind)
    if (newest.digest, listing.description.version, listing.description.kind) != due:
        raise Conflict("product.version", product=listing.product, version=newest.version)
    row.version = listing.description.version


def _hold(session: Session, resource: ResourceRecord, space: str) -> None:
    row = session.get(ResourceRow, (space, resource.id))
    if row is None:
        loss = resource.lifetime.loss
        session.add(
            ResourceRow(
                space_id=space,
                id=resource.id,
                provider=resource.provider,
                unit=resource.unit,
                neighbouring=resource.neighbouring,
                currency=resource.lifetime.currency,
                epsilon_nano=loss.epsilon_nano,
                delta_femto=loss.delta_femto,
                releases=resource.lifetime.releases,
                rho_nano=loss.rho_nano,
            )
        )
        session.flush()
    elif _resource(row) != resource:
        raise Refused("resource.promised", resource=resource.id)


def _version_row(listing: Listing, space: str) -> VersionRow:
    one = listing.description
    return VersionRow(
        space_id=space,
        product=one.product,
        version=one.version,
        digest=listing.digest,
        previous=one.previous,
        published=write_time(listing.statement.time),
        snapshot_rule=one.snapshot_rule,
        product_form=one.codes.product_form,
        delivery_mode=one.codes.delivery_mode,
        execution_environment=one.codes.execution_environment,
        encryption=one.codes.encryption,
        security_grade=one.security_grade,
        personal_data=one.personal_data,
        important_data=one.important_data,
        legal_basis=one.legal_basis,
        cross_border=one.cross_border,
        price_amount=one.price.amount if one.price else None,
        price_currency=one.price.currency if one.price else None,
        statement=listing.statement.to_bytes(),
    )


def _parts(one: Description, version: int) -> list[SQLModel]:
    classes = {(str(each["scheme"]), str(each["code"])) for each in one.classifications}
    return [
        *(VersionResourceRow(version=version, resource=each.id) for each in one.resources),
        *(KeywordRow(version=version, keyword=each) for each in one.keywords),
        *(ClassificationRow(version=version, scheme=scheme, code=code) for scheme, code in sorted(classes)),
        *(
            OfferRow(version=version, id=each.id, visibility=each.visibility.kind, approval=each.approval)
            for each in one.offers
        ),
        *(
            OfferReaderRow(version=version, offer=offer.id, participant=each)
            for offer in one.offers
            for each in offer.visibility.participants
        ),
    ]


def _conditions(query: Search, space: str) -> list[ColumnElement[bool]]:
    conditions = [col(ProductRow.space_id) == space, col(ProductRow.state) == ProductState.LISTED]
    if query.provider:
        conditions.append(col(ProductRow.provider) == query.provider)
    if query.kind:
        conditions.append(col(ProductRow.kind) == query.kind)
    if query.keyword:
        words = and_(col(KeywordRow.version) == VersionRow.id, col(KeywordRow.keyword) == query.keyword)
        conditions.append(exists().where(words))
    if query.reader is not None:
        kinds = (PUBLIC,) if query.reader == "" else (PUBLIC, "members")
        open_offer = and_(col(OfferRow.version) == VersionRow.id, col(OfferRow.visibility).in_(kinds))
        named = and_(col(OfferReaderRow.version) == VersionRow.id, col(OfferReaderRow.participant) == query.reader)
        own = col(ProductRow.provider) == query.reader
        conditions.append(or_(own, exists().where(open_offer), exists().where(named)))
    return conditions


def _product(session: Session, id_: str, space: str) -> ProductRow:
    row = session.get(ProductRow, (space, id_))
    if row is None:
        raise NotFound("resource.not_found", what="product", name=id_[:64])
    return row


def _newest(session: Session, row: ProductRow) -> VersionRow:
    return session.exec(_versions(row).where(VersionRow.version == row.version)).one()


def _versions(row: ProductRow) -> SelectOfScalar[VersionRow]:
    return select(VersionRow).where(VersionRow.space_id == row.space_id, VersionRow.product == row.id)


def _listing(product: ProductRow, version: VersionRow) -> Listing:
    envelope = version.statement
    return Listing(kept.statement(envelope), kept.description(envelope), ProductState(product.state))


def _resource(row: ResourceRow) -> ResourceRecord:
    lifetime = Budget(PrivacyLoss(row.epsilon_nano, row.delta_femto, row.rho_nano), row.releases, row.currency)
    return ResourceRecord(row.id, row.provider, row.unit, row.neighbouring, lifetime)
