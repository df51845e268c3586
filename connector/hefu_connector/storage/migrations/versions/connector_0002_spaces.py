"""Rows that belong to one space say so; several processes may work on one store.

A store of the first schema served one space only. Which one is read from its own statements, and from the connector's
space file where it has none yet. Everything is made anew under its old name and copied, since keys change.
"""

import json

import sqlalchemy as sa
from alembic import context, op

revision = "connector_0002"
down_revision = "connector_0001"
branch_labels = None
depends_on = None

_COUNTER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
# Children first: in this order the old ones can be dropped.
_REMADE = (
    "charges", "reservations", "accounts", "parts", "transitions", "outbox", "computations", "journal", "received",
    "requests", "agreements", "products", "marks",
)  # fmt: skip
_INDICES = (
    "ix_charges_account", "ix_computations_consumer", "ix_computations_state", "ix_transitions_computation",
    "ix_products_product",
)  # fmt: skip
_COUNTED = ("computations", "transitions", "agreements", "products", "requests")
_HAD_SPACE = ("journal", "agreements", "products")


def upgrade() -> None:
    connection = op.get_bind()
    space = _space(connection)
    columns = {name: [each["name"] for each in sa.inspect(connection).get_columns(name)] for name in _REMADE}
    _set_aside(connection)
    _budgets()
    _journal()
    _computations()
    _contracts()
    _requests()
    _marks()
    _workers()
    for name in reversed(_REMADE):
        _copy(connection, name, columns[name], space)
    for name in _REMADE:
        op.drop_table(f"old_{name}")
    _count_on(connection)


def downgrade() -> None:
    raise NotImplementedError("a ledger never goes back: that would be a way to forget charges")


def _space(connection: sa.Connection) -> str:
    """The one space of an old store: as its rows say, as a kept statement says, or as whoever opens it says."""
    named = " UNION ".join(f"SELECT space FROM {table}" for table in _HAD_SPACE)  # noqa: S608 - constants
    found = set(connection.execute(sa.text(named)).scalars())
    for table in ("computations", "requests"):
        for envelope in connection.execute(sa.text(f"SELECT envelope FROM {table}")).scalars():  # noqa: S608
            found |= _named(bytes(envelope))
    for text in connection.execute(sa.text("SELECT text FROM marks")).scalars():
        found |= _named(text.encode())
    if len(found) > 1:
        raise RuntimeError("a store of the first schema with rows of two spaces")
    return found.pop() if found else str(context.config.attributes.get("space", ""))


def _named(envelope: bytes) -> set[str]:
    try:
        payload = json.loads(envelope)["payload"]
        return {payload["space"]} if isinstance(payload["space"], str) else set()
    except (ValueError, KeyError, TypeError):  # a mark may be a note of another kind
        return set()


def _set_aside(connection: sa.Connection) -> None:
    postgresql = connection.dialect.name == "postgresql"
    inspector = sa.inspect(connection)
    for name in _REMADE:
        if postgresql:  # there, names of indices and of the constraints behind them are unique over all tables
            known = {each["name"] for each in inspector.get_indexes(name)}
            known |= {each["name"] for each in inspector.get_unique_constraints(name)}
            known.add(inspector.get_pk_constraint(name)["name"])
            for each in sorted(filter(None, known)):
                op.execute(f'ALTER INDEX "{each}" RENAME TO "old_{each}"')
        op.rename_table(name, f"old_{name}")
    if not postgresql:
        for each in _INDICES:
            op.execute(f"DROP INDEX {each}")


def _copy(connection: sa.Connection, name: str, columns: list[str], space: str) -> None:
    taken = {each: f'"{each}"' for each in columns}
    taken.setdefault("space", ":space")
    if name == "accounts":
        taken["space"] = "CASE WHEN name LIKE 'asset/%' THEN '' ELSE :space END"
    if name == "charges":
        taken["of"] = "CASE WHEN account LIKE 'asset/%' THEN '' ELSE :space END"
    if name == "computations":
        taken |= {"owner": "''", "stop": "''"}
    into, values = ", ".join(f'"{each}"' for each in taken), ", ".join(taken.values())
    statement = sa.text(f"INSERT INTO {name} ({into}) SELECT {values} FROM old_{name}")  # noqa: S608 - constants
    if ":space" in values:
        statement = statement.bindparams(sa.bindparam("space", space, sa.String()))
    connection.execute(statement)


def _count_on(connection: sa.Connection) -> None:
    if connection.dialect.name != "postgresql":
        return
    for name in _COUNTED:
        op.execute(
            f"SELECT setval(pg_get_serial_sequence('{name}', 'position'),"  # noqa: S608 - constants
            f" (SELECT coalesce(max(position), 0) + 1 FROM {name}), false)"
        )


def _column(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.String(), nullable=False)


def _amount(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), nullable=False)


def _reference(table: str, *pairs: tuple[str, str]) -> sa.ForeignKeyConstraint:
    own = [name for name, _ in pairs]
    return sa.ForeignKeyConstraint(own, [other for _, other in pairs], name=op.f(f"fk_{table}_{own[0]}"))


def _key(table: str, *columns: str) -> sa.PrimaryKeyConstraint:
    return sa.PrimaryKeyConstraint(*columns, name=op.f(f"pk_{table}"))


def _budgets() -> None:
    units = ("epsilon_nano", "delta_femto", "releases")
    op.create_table(
        "accounts",
        _column("space"),
        _column("name"),
        _column("currency"),
        *(_amount(f"limit_{unit}") for unit in units),
        *(_amount(f"charged_{unit}") for unit in units),
        sa.CheckConstraint(
            "charged_epsilon_nano >= 0 AND charged_delta_femto >= 0 AND charged_releases >= 0",
            name=op.f("ck_accounts_charged"),
        ),
        sa.CheckConstraint(
            "limit_epsilon_nano >= 0 AND limit_delta_femto >= 0 AND limit_releases >= 0", name=op.f("ck_accounts_limit")
        ),
        _key("accounts", "space", "name"),
    )
    op.create_table(
        "reservations",
        _column("space"),
        _column("computation"),
        *(_amount(unit) for unit in units),
        _key("reservations", "space", "computation"),
    )
    op.create_table(
        "charges",
        _column("space"),
        _column("computation"),
        _column("of"),
        _column("account"),
        _reference("charges", ("space", "reservations.space"), ("computation", "reservations.computation")),
        _reference("charges", ("of", "accounts.space"), ("account", "accounts.name")),
        _key("charges", "space", "computation", "of", "account"),
    )
    op.create_index("ix_charges_account", "charges", ["account"])


def _journal() -> None:
    op.create_table(
        "journal",
        _column("space"),
        sa.Column("sequence", sa.BigInteger(), autoincrement=False, nullable=False),
        _column("digest"),
        _column("previous"),
        sa.Column("envelope", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint("sequence >= 0", name=op.f("ck_journal_sequence")),
        _key("journal", "space", "sequence"),
        sa.UniqueConstraint("space", "digest", name=op.f("uq_journal_digest")),
        sa.UniqueConstraint("space", "previous", name=op.f("uq_journal_previous")),
    )
    op.create_table(
        "outbox",
        _column("space"),
        sa.Column("sequence", sa.BigInteger(), autoincrement=False, nullable=False),
        _reference("outbox", ("space", "journal.space"), ("sequence", "journal.sequence")),
        _key("outbox", "space", "sequence"),
    )


def _computations() -> None:
    op.create_table(
        "computations",
        sa.Column("position", _COUNTER, nullable=False),
        _column("space"),
        _column("id"),
        _column("request"),
        sa.Column("envelope", sa.LargeBinary(), nullable=False),
        _column("consumer"),
        sa.Column("agreements", sa.Text(), nullable=False),
        _column("state"),
        sa.Column("epsilon_nano", sa.BigInteger(), nullable=True),
        sa.Column("delta_femto", sa.BigInteger(), nullable=True),
        sa.Column("releases", sa.BigInteger(), nullable=True),
        sa.Column("entry", sa.BigInteger(), nullable=True),
        sa.Column("parts", sa.Integer(), nullable=False),
        _amount("created"),
        _amount("updated"),
        sa.Column("release_at", sa.BigInteger(), nullable=True),
        _column("owner"),
        _column("stop"),
        _reference("computations", ("space", "journal.space"), ("entry", "journal.sequence")),
        _key("computations", "position"),
        sa.UniqueConstraint("space", "id", name=op.f("uq_computations_id")),
        sa.UniqueConstraint("space", "entry", name=op.f("uq_computations_entry")),
    )
    op.create_index("ix_computations_consumer", "computations", ["consumer"])
    op.create_index("ix_computations_state", "computations", ["state"])
    whose = (("space", "computations.space"), ("computation", "computations.id"))
    op.create_table(
        "transitions",
        sa.Column("position", _COUNTER, nullable=False),
        _column("space"),
        _column("computation"),
        _column("state"),
        _amount("at"),
        _reference("transitions", *whose),
        _key("transitions", "position"),
    )
    op.create_index("ix_transitions_computation", "transitions", ["space", "computation"])
    op.create_table(
        "parts",
        _column("space"),
        _column("computation"),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        _reference("parts", *whose),
        _key("parts", "space", "computation", "number"),
    )


def _contracts() -> None:
    op.create_table(
        "agreements",
        sa.Column("position", _COUNTER, nullable=False),
        _column("id"),
        _column("space"),
        _column("digest"),
        *(sa.Column(name, sa.LargeBinary(), nullable=False) for name in ("agreement", "countersignature")),
        *(sa.Column(name, sa.LargeBinary(), nullable=False) for name in ("description", "proof")),
        sa.Column("termination", sa.LargeBinary(), nullable=True),
        _key("agreements", "position"),
        sa.UniqueConstraint("space", "id", name=op.f("uq_agreements_id")),
    )
    op.create_table(
        "products",
        sa.Column("position", _COUNTER, nullable=False),
        _column("digest"),
        _column("space"),
        _column("product"),
        _amount("version"),
        _column("state"),
        sa.Column("statement", sa.LargeBinary(), nullable=False),
        sa.Column("retirement", sa.LargeBinary(), nullable=True),
        _key("products", "position"),
        sa.UniqueConstraint("space", "digest", name=op.f("uq_products_digest")),
    )
    op.create_index("ix_products_product", "products", ["product"])


def _requests() -> None:
    op.create_table(
        "requests",
        sa.Column("position", _COUNTER, nullable=False),
        _column("space"),
        _column("id"),
        _column("peer"),
        sa.Column("agreements", sa.Text(), nullable=False),
        sa.Column("envelope", sa.LargeBinary(), nullable=False),
        _amount("created"),
        _amount("updated"),
        sa.Column("state", sa.String(), nullable=True),
        _column("fault"),
        sa.Column("receipt", sa.LargeBinary(), nullable=True),
        sa.Column("parts", sa.Integer(), nullable=True),
        sa.Column("held", sa.Integer(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        _key("requests", "position"),
        sa.UniqueConstraint("space", "id", name=op.f("uq_requests_id")),
    )
    op.create_table(
        "received",
        _column("space"),
        _column("computation"),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        _reference("received", ("space", "requests.space"), ("computation", "requests.id")),
        _key("received", "space", "computation", "number"),
    )


def _marks() -> None:
    op.create_table(
        "marks",
        _column("space"),
        _column("name"),
        _amount("number"),
        sa.Column("text", sa.Text(), nullable=False),
        _key("marks", "space", "name"),
    )


def _workers() -> None:
    op.create_table(
        "memberships", _column("space"), _column("participant"), _column("connector"), _key("memberships", "space")
    )
    op.create_table("owners", _column("id"), _column("space"), _column("home"), _amount("beat"), _key("owners", "id"))
    op.create_table(
        "leases",
        _column("space"),
        _column("name"),
        _column("holder"),
        _amount("epoch"),
        _key("leases", "space", "name"),
    )
