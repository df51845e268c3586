"""A first product file from the names and types of a source's columns; no value of a column is ever read.

What only a person can decide is marked ``DECIDE``: the check tells each place that still says so.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from hefu.errors import Language
from hefu_policies.goods.resource import NUMERIC, ROW, TYPES

from hefu_connector.computing.served_model import Told
from hefu_connector.descriptions import templates
from hefu_connector.descriptions.reader import DECIDE
from hefu_connector.descriptions.words import REMEDIES

DEFAULT_TEMPLATE = "research-statistics"
MODEL_TEMPLATE = "credit-scoring"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}\Z")
_YAML_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_YAML_WORDS = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n", "decide"})


def draft(
    source: str, columns: Mapping[str, str], product: str, language: Language = "en", model: Told | None = None
) -> str:
    """The text of a product file that passes the check once its decisions are made.

    Args:
        source: the source's name.
        columns: type by name, as the source has them; an empty type is one that Hefu has no word for.
        product: the new product's id.
        language: of the comments.
        model: what may be told of the source where it is a model: its features are the columns, ranges included.
    """
    lines = [
        "apiVersion: hefu/v1",
        "kind: DataProduct" if model is None else "kind: Model",
        f"product: {product}  # {_advice('product', language)}",
        "title:",
        f"  en: {_decide('title', language)}",
        f"description: {_decide('description', language)}",
        "keywords: []",
        f"source: {_quoted(source)}",
        "snapshot: latest",
        "",
        *(_table(columns, language) if model is None else _model(model, language)),
        "",
        *_privacy(language, model),
        "",
        *_governance(language),
        "",
        *_offers(language, model),
    ]
    return "\n".join(lines) + "\n"


def _table(columns: Mapping[str, str], language: Language) -> list[str]:
    return [
        f"# {_advice('columns', language)}",
        f"# bounds: {_advice('bounds', language)}",
        f"# categories: {_advice('categories', language)}",
        f"# sensitivity: {_advice('sensitivity', language)}",
        "columns:",
        *_columns(columns, language),
    ]


def _model(told: Told, language: Language) -> list[str]:
    lines = ["model:", *(f"  {name}: {value}" for name, value in told.served.body().items())]
    lines += ["", f"# {_advice('model_columns', language)}", "columns:"]
    for each in told.columns:
        lines += [f"  - name: {_quoted(each.name)}", f"    type: {each.type}"]
        lines += [f"    unit: {_quoted(each.unit)}"] if each.unit else []
        lines += [f"    description: {_decide('draft_feature', language)}", "    sensitivity: internal"]
        bounds = each.bounds.body() if each.bounds is not None else {}
        lines.append(f"    bounds: {{{', '.join(f'{name}: {value}' for name, value in bounds.items())}}}")
    return lines


def _columns(columns: Mapping[str, str], language: Language) -> list[str]:
    lines: list[str] = []
    taken: set[str] = set()
    for name, type_ in columns.items():
        if not _usable(name, type_) or name.lower() in taken:
            lines.append(f"  # {_left_out(name, language)}")
            continue
        taken.add(name.lower())
        lines += [
            f"  - name: {_quoted(name)}",
            f"    type: {type_}",
            "    sensitivity: internal",
            "    nullable: true",
        ]
        if type_ in NUMERIC:
            lines.append(f"    bounds: {_decide('draft_bounds', language)}")
        elif type_ == "text":
            lines.append("    # categories: [a, b]")
    return lines


def _privacy(language: Language, model: Told | None) -> list[str]:
    if model is not None:
        total = f"    releases: {_decide('draft_answers', language)}"
        return ["privacy:", "  unit: row", "  max_contribution: 1", "  lifetime:", "    epsilon: 0", total]
    return [
        "privacy:",
        f"  unit: {_decide('unit', language)}",
        f"  max_contribution: {_decide('max_contribution', language)}",
        "  lifetime:",
        f"    epsilon: {_decide('draft_lifetime', language)}",
        "    delta: 0",
        "    releases: 1000",
    ]


def _governance(language: Language) -> list[str]:
    names = ("security_grade", "personal_data", "important_data", "legal_basis", "cross_border")
    return ["governance:", *(f"  {name}: {_decide(name, language)}" for name in names)]


def _offers(language: Language, model: Told | None) -> list[str]:
    template = DEFAULT_TEMPLATE if model is None else MODEL_TEMPLATE
    taken = templates.parameters(template, of_model=model is not None)
    spent = [f"      epsilon: {_decide('draft_budget', language)}", "      delta: 0", "      releases: 100"]
    if model is not None:
        spent = ["      epsilon: 0", f"      releases: {_decide('draft_own_answers', language)}"]
    return [
        "offers:",
        "  - name: research" if model is None else "  - name: scores",
        "    policy:",
        f"      template: {template}",
        *(
            f"      {name}: {value or DECIDE + '  # ' + templates.expected(template, name, language)}"
            for name, value in taken.items()
        ),
        "    budget:",
        *spent,
        f"    visibility: members  # {_advice('visibility', language)}",
        f"    approval: manual  # {_advice('approval', language)}",
        "    valid_days: 365",
        "    offline: {window_seconds: 3600, share_percent: 10}",
    ]


def _usable(name: str, type_: str) -> bool:
    return type_ in TYPES and bool(_NAME.match(name)) and name.lower() != ROW


def _left_out(name: str, language: Language) -> str:
    # A column's name may hold anything, line ends and colours of a terminal among it.
    shown = "".join(letter if letter.isprintable() else "?" for letter in name)[:80]
    if language == "zh":
        return (
            f"未列出 {shown}：名称须为字母、数字与下划线且类型受支持；"
            f"可用 hefu source change … --column 名称={shown} 改名"
        )
    return (
        f"left out: {shown}: a name has letters, digits and underscores, and a type that is supported; "
        f"rename it with hefu source change … --column NAME={shown}"
    )


def _decide(key: str, language: Language) -> str:
    return f"{DECIDE}  # {_advice(key, language)}"


def _advice(key: str, language: Language) -> str:
    return REMEDIES[key][language] if key in REMEDIES else ""


def _quoted(text: str) -> str:
    plain = _YAML_PLAIN.match(text) and text.lower() not in _YAML_WORDS
    return text if plain else '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
