"""A question tried on a synthetic sample: read, checked, computed and noised as it would be, and asked of nobody.

The plan, the shape, the statement and the noise are those of the real answer; only the table is another one. Counts
and sums are weighed by how many rows the data has for each of the sample, so that the noise stands beside figures of
the size that it would stand beside.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from hefu.errors import Malformed
from hefu_policies.reading import Place

from hefu_connector.workbench import targeting
from hefu_connector.workbench.answer import Answer
from hefu_connector.workbench.frames import SYNTHETIC, Noise
from hefu_connector.workbench.sample import Sample

if TYPE_CHECKING:
    from hefu.canonical import Json, Object
    from hefu_policies.goods.product import Description
    from hefu_policies.goods.resource import Resource

    from hefu_connector.computing.computation import Plan


def attempt(plan: Plan, description: Description, sample: Sample) -> Answer:
    """The answer that a sample gives to a plan: of no data, without charge, and marked.

    Raises:
        Malformed: the plan does not fit the schema, or is about another product or resource than the sample.
        Refused: it would be refused.
    """
    from hefu_connector.engines.statistics import Statistics

    resource = _resource(description, plan, sample)
    _, group = targeting.offered(description)
    engine = Statistics()
    prepared = engine.prepare(plan.body(), resource, group)
    values = engine.read(_noised(prepared.parameters, sample), prepared)
    told = (Noise(each.column, each.mechanism + SYNTHETIC, each.scale, each.half_width) for each in prepared.mechanisms)
    return Answer(
        headings=prepared.headings,
        rows=values.rows,
        half_widths=values.half_widths,
        keys=prepared.keys,
        noise=tuple(told),
        sources=(),
    )


def _resource(description: Description, plan: Plan, sample: Sample) -> Resource:
    for each in description.resources:
        if plan.resource in ("", each.id) and (description.product, each.id) == (sample.product, sample.resource):
            return each
    raise Malformed("sample.other", product=sample.product)


def _noised(parameters: Object, sample: Sample) -> Object:
    """What a worker would have returned, of the sample."""
    from hefu_connector.engines import counting, noise, partitions
    from hefu_connector.engines.shape import Shape

    shape = Shape.of(parameters["shape"])
    weight = Fraction(sample.data_rows, len(sample))
    with TemporaryDirectory() as folder:
        path = Path(folder) / "sample.parquet"
        sample.write(path)
        exact, _ = counting.exact(shape, path, "parquet", {})
    noised: list[Json] = []
    for values, measure, place in zip(exact, shape.measures, Place(parameters["noise"], "noise").items(), strict=True):
        weighed = [round(value * weight) for value in values]
        its = noise.Noise.of(place, measure.sensitivity)
        noised.append([str(each) for each in partitions.drawn_of(weighed, measure, its)])
    return {"noised": noised, "rows_read": len(sample)}
