"""Deliveries: what a plan may receive of a described table, and in which form; decided before data is touched.

`Delivery.prepare` and `Delivery.read` run in the connector's own process and are pure; between them a worker selects
and treats rows (`hefu_connector.engines.delivering`). A delivery costs no ε and counts as one exact release: it has no
differential privacy guarantee, whatever its processing.
"""

from __future__ import annotations

from decimal import Decimal

from hefu.canonical import Json, Object
from hefu.errors import Malformed, Refused, Untrusted
from hefu_policies.budget import NO_LOSS, Charge
from hefu_policies.goods.processing import Treatment, treatment
from hefu_policies.goods.resource import ROW, Column, Resource
from hefu_policies.reading import write_decimal
from hefu_policies.words.terms import ANONYMISED, DELIVER, FILE

from hefu_connector.computing.delivery import DeliveryPlan
from hefu_connector.engines.treatments import Field
from hefu_connector.ports import Delivering, Prepared, Values

WHOLE = "file"  # the one column of a resource that is a file, and the type of its one cell


class Delivery:
    """Rows raw, masked, sampled or anonymised, or a whole file. An `Engine`."""

    name = "delivery"
    version = "1"
    action = DELIVER
    environment = "UsageControl"
    encryption = "PlainText"

    def prepare(
        self,
        plan: Object,
        resource: Resource,
        minimum_group: int | None,
        rounding: Decimal | None = None,
        beside: Resource | None = None,
    ) -> Prepared:
        """Validate a plan anew against the provider's schema. Pure.

        Args:
            minimum_group: the k of anonymised rows.

        Raises:
            Malformed: the plan is not of the typed form or names a column that there is not.
            Refused: the contract names no k, or no column would be left.
        """
        asked = DeliveryPlan.of(plan)
        if asked.form == FILE:
            return _file(asked, resource)
        columns = [_column(resource, name) for name in asked.columns]
        known = {each.name: each for each in _treated(resource, asked.processing)}
        treated = [known[each.name] for each in columns]
        fields = [each for each in treated if each.treatment is not Treatment.DROP]
        if not fields:
            raise Refused("delivery.nothing", processing=asked.processing)
        group = minimum_group if asked.processing == ANONYMISED else None
        if asked.processing == ANONYMISED and group is None:
            raise Refused("delivery.no_group")
        quasi = tuple(at for at, each in enumerate(fields) if each.treatment is Treatment.GENERALISE)
        forms = tuple(each.form() for each in fields)
        delivering = Delivering(asked.processing, forms, quasi, asked.share)
        parameters = _parameters(asked, resource, fields, group)
        return _prepared(asked, resource, tuple(each.name for each in fields), delivering, parameters, group)

    def read(self, output: Object, prepared: Prepared) -> Values:
        """The rows that a worker returned; strict in form, the guard judges the rest.

        Raises:
            Untrusted: the output has another shape than was prepared.
            Refused: the rows are too large together.
        """
        if output == {"too_large": True}:
            raise Refused("delivery.too_large")
        if set(output) != {"rows", "counts", "units", "rows_read"}:
            raise Untrusted("worker.output")
        rows, read = output["rows"], output["rows_read"]
        if not isinstance(rows, list) or type(read) is not int:
            raise Untrusted("worker.output")
        counts, units = _numbers(output["counts"]), _numbers(output["units"])
        if units is not None and len(units) != 2:
            raise Untrusted("worker.output")
        return Values(tuple(map(_row, rows)), (), counts, read, None if units is None else (units[0], units[1]))


def _file(asked: DeliveryPlan, resource: Resource) -> Prepared:
    # A table in a file may hold columns that nobody described; only a resource that is a file is delivered as one.
    if [each.name for each in resource.schema] != [WHOLE] or asked.columns != (WHOLE,):
        raise Refused("delivery.no_file")
    return _prepared(asked, resource, (WHOLE,), Delivering(asked.processing, (WHOLE,)), {"form": FILE}, None)


def _prepared(
    asked: DeliveryPlan, resource: Resource, headings: tuple[str, ...], delivering: Delivering, parameters: Object,
    group: int | None,
) -> Prepared:  # fmt: skip
    columns = parameters.get("columns")
    return Prepared(
        parameters=parameters,
        charge=Charge(NO_LOSS),
        columns=frozenset(asked.columns),
        reads=frozenset(columns if isinstance(columns, dict) else asked.columns),
        functions=frozenset(),
        kind=asked.form,
        cells=asked.rows,
        headings=headings,
        mechanisms=(),
        max_contribution=resource.privacy.max_contribution,
        minimum_group=group,
        delivery=delivering,
        channel="FileChannel" if asked.form == FILE else "InterfaceChannel",
    )


def _parameters(asked: DeliveryPlan, resource: Resource, fields: list[Field], group: int | None) -> Object:
    unit = None if resource.privacy.unit == ROW else resource.privacy.unit
    read = {each.name: each.type for each in fields}
    # Which rows are chosen, and how far they are generalised, hangs on all that is described, whatever is asked: else
    # deliveries of other columns would be of other rows, or give together what none of them may give.
    names = {each.name for each in fields}
    treated = _treated(resource, asked.processing) if group is not None else []
    others = [each for each in treated if each.treatment is Treatment.GENERALISE and each.name not in names]
    read |= {each.name: each.type for each in others}
    read |= {each.name: each.type for each in resource.schema if unit in (None, each.name)}
    return {
        "form": asked.form,
        "columns": {name: read[name] for name in sorted(read)},
        "fields": [_body(each) for each in fields],
        "others": [_body(each) for each in others],
        "unit": unit,
        "rows": asked.rows,
        "processing": asked.processing,
        "share": "" if asked.share is None else write_decimal(asked.share),
        "group": group or 0,
    }


def _treated(resource: Resource, processing: str) -> list[Field]:
    return [Field.of(each, treatment(each, processing, resource)) for each in resource.schema]


def _body(field: Field) -> Object:
    return {
        "name": field.name,
        "type": field.type,
        "treatment": field.treatment.value,
        "bounds": None if field.bounds is None else field.bounds.body(),
        "categories": None if field.categories is None else [*sorted(field.categories)],
    }


def _column(resource: Resource, name: str) -> Column:
    column = resource.column(name)
    if column is None:
        raise Malformed("plan.unknown_column", column=name)
    return column


def _numbers(value: Json) -> tuple[int, ...] | None:
    if value is None:
        return None
    if not isinstance(value, list):
        raise Untrusted("worker.output")
    found = tuple(each for each in value if type(each) is int and each >= 0)
    if len(found) != len(value):
        raise Untrusted("worker.output")
    return found


def _row(value: Json) -> tuple[str | None, ...]:
    if not isinstance(value, list):
        raise Untrusted("worker.output")
    found = tuple(each for each in value if each is None or isinstance(each, str))
    if len(found) != len(value):
        raise Untrusted("worker.output")
    return found
