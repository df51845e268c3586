"""The space that benchmarks measure in: one provider, one consumer, one product without a limit that would be hit."""

from __future__ import annotations

from dataclasses import replace

from hefu.envelope import new_id
from hefu_space import data, products
from hefu_space.space import Member, Node, Space

_PROVIDER = Member("provider", ("Provider", "提供方"), ("provider",))
_CONSUMER = Member("consumer", ("Consumer", "使用方"), ("consumer",))


def founded(space: Space) -> tuple[Node, str]:
    """Start the space and publish; the consumer, and the product's id."""
    space.found()
    provider, consumer = space.join([_PROVIDER, _CONSUMER])
    extract = data.hospitals()[0]
    (made,) = products.tumour_products([extract], [(provider.name, _PROVIDER.titles)])
    terms = replace(made.terms, name="bench", approval="automatic", budget="1000", releases=100_000, minimum_group=1)
    made = replace(made, terms=terms, lifetime=("100000", 10_000_000)).named(new_id("prd"))
    table = provider.folder / "data" / "tumours.csv"
    extract.write(table)
    provider.do("source", "add", made.source, str(table))
    file = provider.folder / "tumours.yaml"
    file.write_text(made.text(), "utf-8")
    provider.do("product", "publish", str(file))
    return consumer, made.id
