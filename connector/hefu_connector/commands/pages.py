"""A data product for people: what it is, its columns, its privacy, its offers and their policies. Never a row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from hefu.terminal.commands import Cell, Output, pick

from hefu_connector.commands.show import headings, state, word, worth
from hefu_connector.workbench.tables import number

if TYPE_CHECKING:
    from hefu.v1 import catalog_pb2
    from hefu_policies.budget import Budget
    from hefu_policies.goods.product import Description, Offer
    from hefu_policies.goods.resource import Column, Resource


def describe(product: catalog_pb2.Product) -> Description:
    """The description in a product's signed statement."""
    from hefu.envelope import Statement
    from hefu_policies.goods.product import Description

    return Description.of(Statement.parse(product.description.envelope).body)


def product_document(product: catalog_pb2.Product) -> dict[str, object]:
    """For machines: the signed description and where it stands."""
    from hefu.v1 import catalog_pb2

    return {
        "provider": product.provider,
        "state": catalog_pb2.Product.State.Name(product.state).removeprefix("STATE_").lower(),
        "log_index": product.proof.index if product.HasField("proof") else None,
        "differential_privacy_guarantee": describe(product).has_guarantee(),
        **_rebuilt(describe(product)),
        **describe(product).body(),
    }


def product_row(output: Output, product: catalog_pb2.Product) -> tuple[Cell, ...]:
    """One line of a list of products."""
    from hefu.v1 import catalog_pb2

    description = describe(product)
    names = ", ".join(each.id for each in description.offers)
    title = pick(description.title, output.language)
    status = state(output, catalog_pb2.Product.State.Name(product.state))
    return (description.product, description.version, product.provider, title, names, status)


def product_headings(output: Output) -> list[str]:
    """What `product_row` shows."""
    return headings(
        output, ("product", "产品"), ("version", "版本"), ("provider", "提供方"), ("title", "标题"), ("offers", "报价"),
        ("state", "状态"),
    )  # fmt: skip


def product_page(output: Output, product: catalog_pb2.Product) -> None:
    """Print everything a consumer may know of a product."""
    description = describe(product)
    output.say(f"{pick(description.title, output.language)}   {description.product} v{description.version}")
    output.say(f"provider {product.provider}", f"提供方 {product.provider}")
    if description.description:
        output.say(f"\n{pick(description.description, output.language)}")
    flags = _flags(output, description)
    output.say(
        f"\nsecurity grade {description.security_grade}; {flags}", f"\n安全等级 {description.security_grade}；{flags}"
    )
    if not description.has_guarantee():
        output.say(
            "NO DIFFERENTIAL PRIVACY GUARANTEE: at least one offer permits exact answers or delivers data itself.",
            "无差分隐私保证：至少有一个报价允许精确答复，或直接交付数据。",
        )
    for resource in description.resources:
        _resource(output, resource)
        _model(output, resource, description)
    for offer in description.offers:
        _offer(output, offer)
    if not product.HasField("proof"):
        output.say("\nNot yet in the audit log.", "\n尚未写入审计日志。")


def budget_text(output: Output, budget: Budget) -> str:
    """A budget in words."""
    delta = budget.loss.delta
    tail = f", δ {delta.normalize():.3g}" if delta else ""
    if budget.loss.rho_nano:
        told = f"ρ {number(budget.loss.rho)}{tail} {worth(budget.loss.rho_nano)}"
    else:
        told = f"ε {number(budget.loss.epsilon)}{tail}"
    return word(output, f"{told}, {budget.releases} releases", f"{told}，{budget.releases} 次发布")


def policy_lines(output: Output, policy: Mapping[str, object]) -> list[str]:
    """A policy in words, one line a rule."""
    from hefu_connector.descriptions.templates import explain

    return explain(policy, output.language)


def _flags(output: Output, description: Description) -> str:
    pairs = (
        (description.personal_data, "personal data", "个人信息"),
        (description.important_data, "important data", "重要数据"),
        (description.cross_border, "results may cross the border", "结果可出境"),
    )
    told = [word(output, en, zh) for is_so, en, zh in pairs if is_so]
    return ", ".join(told) or word(output, "no personal or important data", "不含个人信息与重要数据")


def _resource(output: Output, resource: Resource) -> None:
    output.say(f"\n{word(output, 'Columns', '列')} ({resource.id})")
    heads = headings(
        output, ("name", "列名"), ("type", "类型"), ("unit", "单位"), ("values", "取值"), ("sensitivity", "敏感级别"),
        ("may be missing", "可缺值"), ("meaning", "含义"),
    )  # fmt: skip
    output.table(heads, [_column(output, each) for each in resource.schema])
    kept = resource.privacy
    rows = word(output, "every row", "每一行") if kept.unit == "row" else kept.unit
    lifetime = budget_text(output, kept.lifetime)
    output.say(
        f"\nPrivacy unit: {rows} (neighbouring relation {kept.neighbouring}); at most {kept.max_contribution} rows of "
        f"one unit count; lifetime budget {lifetime}",
        f"\n隐私单元：{rows}（相邻关系 {kept.neighbouring}）；每单元至多计入 {kept.max_contribution} 行；"
        f"终身额度 {lifetime}",
    )
    for fact in resource.facts:
        basis = word(output, fact.basis, "已声明" if fact.basis == "declared" else "经发布")
        output.say(f"  {fact.name}: {fact.value} [{basis}]")


def _model(output: Output, resource: Resource, description: Description) -> None:
    """Of a model: what it answers, and what its answers tell of it."""
    from hefu_policies.telling.models import disclosure

    served = resource.model
    if served is None:
        return
    output.say(
        f"\nModel {served.digest}: answer {served.answer}, parameters {served.suite}",
        f"\n模型 {served.digest}：答复类型 {served.answer}，加密参数 {served.suite}",
    )
    for line in disclosure(resource, description.offers, output.language):
        output.say(f"  ! {line}")


def _rebuilt(description: Description) -> dict[str, object]:
    from hefu_policies.telling.models import answers_that_rebuild, releases_that_rebuild

    served = [each for each in description.resources if each.model is not None]
    if not served:
        return {}
    return {
        "answers_that_rebuild": {each.id: answers_that_rebuild(each) for each in served},
        "releases_that_rebuild": {each.id: releases_that_rebuild(each) for each in served},
    }


def _column(output: Output, column: Column) -> tuple[Cell, ...]:
    values = ""
    if column.bounds is not None:
        values = f"{number(column.bounds.lower)} … {number(column.bounds.upper)}"
    elif column.categories is not None:
        shown = ", ".join(column.categories[:6])
        values = shown + (f", … ({len(column.categories)})" if len(column.categories) > 6 else "")
    missing = word(output, "yes", "是") if column.nullable else ""
    meaning = pick(column.description, output.language)
    return (column.name, column.type, column.unit, values, column.sensitivity, missing, meaning)


def _offer(output: Output, offer: Offer) -> None:
    approval = word(output, f"approval {offer.approval}", "自动审批" if offer.approval == "automatic" else "人工审批")
    budget = budget_text(output, offer.budget)
    output.say(
        f"\nOffer {offer.id}: {budget}; {offer.valid_days} days; {approval}",
        f"\n报价 {offer.id}：{budget}；{offer.valid_days} 天；{approval}",
    )
    for line in policy_lines(output, offer.policy):
        output.say(f"  {line}")
    for line in _warnings(output, offer):
        output.say(f"  ! {line}")


def _warnings(output: Output, offer: Offer) -> list[str]:
    """What the exact answers and deliveries that an offer permits can reveal, in plain words."""
    from hefu_policies import odrl
    from hefu_policies.telling import wording

    return wording.warnings(odrl.load(offer.policy), output.language)
