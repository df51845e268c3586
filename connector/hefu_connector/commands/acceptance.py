"""``hefu contract limits``: what a consumer accepts without being asked; told to nobody else."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from hefu.terminal.commands import Output

from hefu_connector.commands import bargain
from hefu_connector.commands.link import call, command, control, named, short

if TYPE_CHECKING:
    from hefu.v1 import control_pb2


def add(group: Any) -> None:
    """Add the subcommand to those of ``hefu contract``."""
    one = command(group, "limits", "show or set what you accept without being asked; nobody else is told", _limits)
    one.add_argument("--product", default="", help="for one product only, in place of the limits for all")
    one.add_argument("--contracts", type=int, metavar="N", help="accept so many at most; sets all limits anew")
    one.add_argument(
        "--price", action="append", default=[], metavar="CURRENCY=AMOUNT",
        help="the most to be paid at once, such as CNY=100; without it nothing is paid",
    )  # fmt: skip
    one.add_argument(
        "--duty", action="append", default=[], metavar="ACTION",
        help="a duty that you take on, such as odrl:inform; without it none but the log",
    )  # fmt: skip
    one.add_argument(
        "--computation", action="append", default=[], metavar="ACTION",
        help="a computation that must be permitted, such as hefu:dpQuery",
    )  # fmt: skip
    one.add_argument("--delivery", action="store_true", help="accept that data is delivered; without it nothing is")
    one.add_argument(
        "--least", action="append", default=[], metavar="NAME=VALUE",
        help="a term that must be reached, such as epsilon=0.5, budget=2 or column=age,region",
    )  # fmt: skip
    one.add_argument(
        "--from", dest="providers", action="append", default=[], metavar="NAME",
        help="a provider whose offers are accepted though you did not ask; needs --purpose",
    )  # fmt: skip
    one.add_argument("--purpose", default="", help="what for, in the acceptance of such an offer")
    one.add_argument("--off", action="store_true", help="accept nothing without being asked any more")


def _limits(arguments: argparse.Namespace) -> int:
    from hefu.v1 import control_pb2

    output = Output.of(arguments)
    product = named("products", arguments.product) if arguments.product else ""
    with control(arguments) as stub:
        made = _given(arguments, product)
        if arguments.off or made != control_pb2.Acceptance(product=product):
            request = control_pb2.UpdateAcceptanceRequest(acceptance=made, remove=arguments.off)
            found = call(stub.UpdateAcceptance, request)
        else:
            found = call(stub.GetAcceptance, control_pb2.GetAcceptanceRequest(product=product))
    output.data(_document(found))
    _page(output, found)
    return 0


def _given(arguments: argparse.Namespace, product: str) -> control_pb2.Acceptance:
    from hefu.v1 import control_pb2

    return control_pb2.Acceptance(
        product=product, contracts=arguments.contracts or 0, prices=bargain.terms(arguments.price),
        duties=arguments.duty, computations=arguments.computation, delivery=arguments.delivery,
        least=bargain.terms(arguments.least), providers=arguments.providers, purpose=arguments.purpose,
    )  # fmt: skip


def _document(found: control_pb2.Acceptance) -> dict[str, object]:
    return {
        "product": short(found.product) or None,
        "contracts": found.contracts,
        "accepted": found.accepted,
        "prices": dict(found.prices),
        "duties": [*found.duties],
        "computations": [*found.computations],
        "delivery": found.delivery,
        "least": dict(found.least),
        "providers": [*found.providers],
        "purpose": found.purpose or None,
    }


def _page(output: Output, found: control_pb2.Acceptance) -> None:
    if not found.contracts:
        output.say(
            "Nothing is accepted without asking you. Set limits: hefu contract limits --contracts 3 --computation "
            "hefu:dpQuery",
            "未经询问不会接受任何报价。可设：hefu contract limits --contracts 3 --computation hefu:dpQuery",
        )
        return
    pairs = _pairs(found)
    which = short(found.product)
    output.say(
        f"Accepted without asking you, {'for ' + which if which else 'for every product'}:",
        f"未经询问即予接受（{which or '所有产品'}）：",
    )
    for (en, zh), text in pairs:
        output.say(f"  {en}: {text or '-'}", f"  {zh}：{text or '-'}")


def _pairs(found: control_pb2.Acceptance) -> list[tuple[tuple[str, str], str]]:
    return [
        (("contracts, at most", "合约份数上限"), f"{found.contracts} ({found.accepted})"),
        (("paid at once, at most", "单次支付上限"), ", ".join(f"{each} {found.prices[each]}" for each in found.prices)),
        (("duties taken on", "可承担的义务"), ", ".join(found.duties)),
        (("must be permitted", "须允许的计算"), ", ".join(found.computations)),
        (("delivery", "数据交付"), "+" if found.delivery else ""),
        (("must be reached", "须达到的条款"), ", ".join(f"{each}={found.least[each]}" for each in found.least)),
        (("offers not asked for, from", "主动报价的提供方"), ", ".join(found.providers)),
        (("for", "使用目的"), found.purpose),
    ]
