"""``hefu product limits``: how far a provider goes beyond its public offer; told to nobody else."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from hefu.terminal.commands import Output

from hefu_connector.commands import bargain
from hefu_connector.commands.link import call, command, control, named, short
from hefu_connector.commands.show import word

if TYPE_CHECKING:
    from hefu.v1 import control_pb2


def add(group: Any) -> None:
    """Add the subcommand to those of ``hefu product``."""
    one = command(group, "limits", "show or set how far you go beyond an offer; nobody else is told", _limits)
    one.add_argument("product", help="the product's id, such as prd-…")
    one.add_argument("--offer", default="", help="the offer; may be left out where the product has one only")
    bargain.may_set(one, "the widest value you would sign without being asked; an empty value removes a limit")
    one.add_argument(
        "--beyond", choices=("counter", "ask"),
        help="what to do with a request that goes further: answer with what both can live with, or let it wait for you",
    )  # fmt: skip


def _limits(arguments: argparse.Namespace) -> int:
    from hefu.v1 import control_pb2

    output = Output.of(arguments)
    product = named("products", arguments.product)
    given = bargain.terms(arguments.set)
    with control(arguments) as stub:
        if given or arguments.beyond:
            beyond = f"BEYOND_{arguments.beyond.upper()}" if arguments.beyond else "BEYOND_UNSPECIFIED"
            request = control_pb2.UpdateLimitsRequest(
                product=product, offer=arguments.offer, terms=given, beyond=control_pb2.Limits.Beyond.Value(beyond)
            )
            found = call(stub.UpdateLimits, request)
        else:
            found = call(stub.GetLimits, control_pb2.GetLimitsRequest(product=product, offer=arguments.offer))
    output.data(_document(found))
    _page(output, found)
    return 0


def _document(found: control_pb2.Limits) -> dict[str, object]:
    from hefu.v1 import control_pb2

    return {
        "product": short(found.product),
        "offer": found.offer,
        "limits": bargain.change_documents(found.terms),
        "beyond": control_pb2.Limits.Beyond.Name(found.beyond).removeprefix("BEYOND_").lower(),
    }


def _page(output: Output, found: control_pb2.Limits) -> None:
    from hefu.v1 import control_pb2

    heads = bargain.change_headings(output)
    heads[2:4] = [word(output, "offered", "报价"), word(output, "at most", "底线")]
    empty = word(
        output,
        f"No limits on offer {found.offer}: nothing beyond it is signed. Set one: --set epsilon=0.8",
        f"报价 {found.offer} 未设底线：超出报价的不予签署。可设：--set epsilon=0.8",
    )
    output.table(heads, bargain.change_rows(output, found.terms), empty)
    asks = found.beyond == control_pb2.Limits.BEYOND_ASK
    output.say(
        "Beyond: " + ("the request waits for you." if asks else "answered with what both can live with, or refused."),
        "超出时：" + ("等待您处理。" if asks else "以双方均可接受的条款还价，或拒绝。"),
    )
