"""The tutorial is run as it stands, by a kernel of its own, against a space of real processes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import nbformat
import pytest
from hefu.envelope import new_id
from hefu_space import data, demo, products
from hefu_space.space import Member, Space
from nbclient import NotebookClient

PAGE = Path(__file__).resolve().parents[2] / "docs/tutorial.ipynb"
PROVIDERS = demo.PROVIDERS[:2]


@pytest.fixture
def consumer(tmp_path: Path) -> Iterator[Path]:
    """The folder of the demo's consumer, in a space with two of its hospitals."""
    made = Space(tmp_path / "space", settings={"workers": 1, "quantum_ms": 50})
    try:
        made.found()
        made.join([*(Member(name, titles, ("provider",)) for name, titles in PROVIDERS), demo.CONSUMER])
        for each in products.tumour_products(data.hospitals()[:2], PROVIDERS):
            product = replace(each, terms=replace(each.terms, approval="automatic")).named(new_id("prd"))
            node = made.nodes[product.provider]
            table, file = node.folder / "tumours.csv", node.folder / "tumours.yaml"
            product.extract.write(table)
            node.do("source", "add", product.source, str(table))
            file.write_text(product.text(), "utf-8")
            node.do("product", "publish", str(file))
        yield made.nodes[demo.CONSUMER.name].folder
    finally:
        made.stop()


@pytest.mark.timeout(400)  # a space of processes and a kernel, on a busy machine
def test_every_cell_of_the_tutorial_runs_and_shows_what_it_says(
    consumer: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = nbformat.read(PAGE, as_version=4)
    nbformat.validate(page)
    code = [cell for cell in page.cells if cell.cell_type == "code"]
    assert [cell.id for cell in code if cell.outputs or cell.execution_count] == [], "committed with outputs"
    monkeypatch.setenv("HEFU_DIR", str(consumer))
    NotebookClient(page, timeout=120, resources={"metadata": {"path": str(consumer.parent)}}).execute()
    told = [_text(cell) for cell in code]
    assert "institute" in told[0]
    assert "east-city" in told[1]
    assert "±" in next(text for cell, text in zip(code, told, strict=True) if cell.source.endswith("\nanswer"))
    assert any("epsilon" in text and "refused" in text for text in told)
    assert any("query.refused" in text or "rows never leave" in text for text in told)
    assert any("east-city, north-city" in text for text in told)


def _text(cell: nbformat.NotebookNode) -> str:
    found = []
    for output in cell.outputs:
        found.append(output.get("text", ""))
        found.extend(str(each) for each in output.get("data", {}).values())
    return "\n".join(found)
