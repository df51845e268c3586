"""``hefu catalog``: find what others offer. A description, never a row."""

from __future__ import annotations

import argparse

from hefu.terminal.commands import Output

from hefu_connector.commands import browsing, pages
from hefu_connector.commands.link import command, commands, control
from hefu_connector.workbench import questions


def add(parser: argparse.ArgumentParser) -> None:
    """Add the subcommands."""
    group = commands(parser)
    one = command(group, "search", "search the catalog; without words it lists everything you may see", _search)
    one.add_argument("words", nargs="*", help="words in Chinese or English; all must match")
    one.add_argument("--provider", help="only products of this participant")
    one.add_argument("--keyword", help="only products with this keyword")
    one = command(group, "show", "show one product: columns, privacy, offers and their policies", _show)
    one.add_argument("product", help="the product's id, such as prd-…")
    browsing.add_catalog(group)


def _search(arguments: argparse.Namespace) -> int:
    output = Output.of(arguments)
    with control(arguments) as stub:
        found = questions.search(stub, " ".join(arguments.words), arguments.provider or "", arguments.keyword or "")
    output.data({"products": [pages.product_document(each) for each in found]})
    empty = "没有匹配的产品。请减少关键词。" if output.language == "zh" else "Nothing matches. Use fewer words."
    output.table(pages.product_headings(output), [pages.product_row(output, each) for each in found], empty)
    if found:
        output.say("\nNext: hefu catalog show PRODUCT", "\n下一步：hefu catalog show 产品标识")
    return 0


def _show(arguments: argparse.Namespace) -> int:
    output = Output.of(arguments)
    with control(arguments) as stub:
        found = questions.product(stub, arguments.product)
    output.data(pages.product_document(found))
    if not output.as_json:
        pages.product_page(output, found)
        output.say(
            f'\nNext: hefu compute estimate "SELECT …" --product {arguments.product} --epsilon 0.1, '
            f"or hefu contract request {arguments.product} --offer OFFER --purpose PURPOSE",
            f'\n下一步：hefu compute estimate "SELECT …" --product {arguments.product} --epsilon 0.1，'
            f"或 hefu contract request {arguments.product} --offer 报价 --purpose 目的",
        )
    return 0
