"""The operators: closures that compare a fact with the values of a constraint.

Each answers True, False or None; None is Unknown: the fact is of another type, or its value is not one the vocabulary
knows. Nothing is cast: an integer may stand for a decimal, and that is all. V is the fact, R the right operand:

- eq neq lt lteq gt gteq: typed, by the order of the kind.
- isAnyOf, isNoneOf: V ∩ R is not empty, is empty. isAllOf, hasPart: R ⊆ V. isPartOf: V ⊆ R.
- isA: V is R or narrower. Where a kind has narrower values, all but eq and neq count a value as each broader one too:
  "none of" must not be escaped by being narrower.

Source: ODRL 2.2 vocabulary, section on operators; where it is silent, docs/decisions/2026-11-21-policy-semantics.md.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from ipaddress import IPv4Address, IPv6Address
from typing import Any, TypeGuard

from hefu_policies.deciding.ordering import ORDER, ORDERED, TERM_PREFIX, Test, Values, fitting, ordered, time_of
from hefu_policies.deciding.places import industry_lineage, read_address, read_network, region_lineage
from hefu_policies.deciding.rules import Value
from hefu_policies.deciding.windows import Window, read_window
from hefu_policies.reading import wrong
from hefu_policies.words.terms import Kind, Operand, Operator, Vocabulary

__all__ = ["LONGEST", "TERM_PREFIX", "Test", "comparison", "is_names"]

LONGEST = 200  # characters of a name in a fact; a longer one is Unknown


def comparison(operand: Operand, operator: Operator, values: Values, vocabulary: Vocabulary) -> Test:
    """The closure of a constraint.

    Raises:
        Malformed: the operator makes no sense with values of this kind.
    """
    kind = operand.kind
    if kind in ORDERED:
        return ordered(operand, operator, values)
    if kind is Kind.ADDRESS:
        return _address_test(operator, values)
    if kind is Kind.WINDOW:
        return _window_test(operator, values)
    if kind in _SETS:
        return _set_test(operand, operator, values)
    lineage = _lineage(operand, vocabulary)
    return (
        _plain_test(operand, operator, values) if lineage is None else _narrow_test(operand, operator, values, lineage)
    )


def is_names(value: object) -> TypeGuard[Collection[str]]:
    """Whether a fact is a set of names: a collection of texts, and not one text."""
    if not isinstance(value, (frozenset, set, tuple, list)):
        return False
    for each in value:  # noqa: SIM110 (a plain loop is faster, and this is asked in every decision)
        if type(each) is not str or not 0 < len(each) <= LONGEST:
            return False
    return True


_IN_SETS: dict[Operator, Callable[[frozenset[str]], Callable[[Collection[str]], bool]]] = {
    Operator.EQ: lambda right: lambda value: right == frozenset(value),
    Operator.NEQ: lambda right: lambda value: right != frozenset(value),
    Operator.IS_ANY_OF: lambda right: lambda value: not right.isdisjoint(value),
    Operator.IS_NONE_OF: lambda right: right.isdisjoint,
    Operator.IS_ALL_OF: lambda right: right.issubset,
    Operator.HAS_PART: lambda right: right.issubset,
    Operator.IS_PART_OF: lambda right: right.issuperset,
}
# Of one value, which counts as its lineage where it has one.
_NARROWER = (Operator.IS_A, Operator.IS_ANY_OF, Operator.IS_PART_OF)
_ALL = (Operator.IS_ALL_OF, Operator.HAS_PART)


_SETS = frozenset({Kind.NAMES, Kind.PARTIES, Kind.CLAIM})


def _set_test(operand: Operand, operator: Operator, values: Values) -> Test:
    right = frozenset(map(str, values))
    # A claim is one of those that are there, whatever the others are.
    compare = fitting(_IN_SETS, Operator.IS_ANY_OF if _one_claim(operand, operator) else operator)(right)
    prefix = operand.prefix
    if not prefix:
        return lambda value: compare(value) if is_names(value) else None
    return lambda value: compare([each.removeprefix(prefix) for each in value]) if is_names(value) else None


def _one_claim(operand: Operand, operator: Operator) -> bool:
    return operand.kind is Kind.CLAIM and operator is Operator.EQ


def _plain_test(operand: Operand, operator: Operator, values: Values) -> Test:
    """One value without narrower ones."""
    normal, right = _normal(operand), frozenset(values)
    negative = operator in (Operator.NEQ, Operator.IS_NONE_OF)
    if operator not in (Operator.EQ, *_NARROWER, *_ALL) and not negative:
        wrong("operator", f"an operator that fits {operand.term}")
    if operator in _ALL and len(right) > 1:  # one value is never several
        return lambda value: None if normal(value) is None else False

    def one(value: object) -> bool | None:
        known = normal(value)
        return None if known is None else (known in right) is not negative

    def several(value: object) -> bool | None:
        if type(value) is not frozenset:
            return one(value)
        words = [normal(each) for each in value]  # such as the roles of a participant: any one of them counts
        return None if not words or None in words else (not right.isdisjoint(words)) is not negative

    listed = operator in (Operator.IS_ANY_OF, Operator.IS_NONE_OF)
    return several if operand.kind is Kind.CONCEPT and listed else one


def _narrow_test(
    operand: Operand, operator: Operator, values: Values, lineage: Callable[[str], frozenset[str] | None]
) -> Test:
    """One value that counts as each of its broader ones."""
    right, prefix = frozenset(map(str, values)), operand.prefix
    broader = frozenset[str]()
    if operand.kind in _CODES:  # what contains one of the values may or may not be it: that is unknown
        broader = frozenset().union(*(_CODES[operand.kind](each) or () for each in right)) - right
    if operator in (Operator.EQ, Operator.NEQ):
        compare = fitting(ORDER, operator)
        only = next(iter(right))
        return lambda value: _exact(value, prefix, lineage, compare, only)
    negative = operator is Operator.IS_NONE_OF
    every = operator in _ALL
    if operator not in (*_NARROWER, *_ALL) and not negative:
        wrong("operator", f"an operator that fits {operand.term}")

    if not broader and not prefix and not every:

        def quick(value: object) -> bool | None:
            known = lineage(value) if type(value) is str else None
            return None if known is None else right.isdisjoint(known) is negative

        return quick

    def test(value: object) -> bool | None:
        name = value.removeprefix(prefix) if type(value) is str else ""
        known = lineage(name)
        if known is None:
            return None
        found = right.issubset(known) if every else not right.isdisjoint(known)
        return None if not found and name in broader else found is not negative

    return test


def _exact(
    value: object,
    prefix: str,
    lineage: Callable[[str], frozenset[str] | None],
    compare: Callable[[Any, Any], Any],
    only: str,
) -> bool | None:
    name = value.removeprefix(prefix) if type(value) is str else ""
    return None if lineage(name) is None else bool(compare(name, only))


def _normal(operand: Operand) -> Callable[[object], Any]:
    """What makes a fact comparable: None where it is not."""
    prefix, kind = operand.prefix, operand.kind
    if kind is Kind.BOOLEAN:
        return lambda value: value if type(value) is bool else None
    if kind is Kind.DIGEST:
        return lambda value: value if type(value) is str and _is_digest(value) else None
    if kind is Kind.CONCEPT and operand.words:
        spelled = {TERM_PREFIX + each: each for each in operand.words} | {each: each for each in operand.words}
        return lambda value: spelled.get(value) if type(value) is str else None
    return lambda value: value.removeprefix(prefix) if type(value) is str and 0 < len(value) <= LONGEST else None


def _is_digest(text: str) -> bool:
    return len(text) == 71 and text.startswith("sha256:") and not set(text[7:]) - set("0123456789abcdef")


_CODES: dict[Kind, Callable[[str], frozenset[str] | None]] = {
    Kind.REGION: region_lineage,
    Kind.INDUSTRY: industry_lineage,
}


def _lineage(operand: Operand, vocabulary: Vocabulary) -> Callable[[str], frozenset[str] | None] | None:
    if operand.kind in _CODES:
        return _CODES[operand.kind]
    return vocabulary.taxonomies[operand.taxonomy].get if operand.taxonomy else None


def _window_test(operator: Operator, values: Values) -> Test:
    windows = [_window(each) for each in values]
    if operator not in (Operator.IS_PART_OF, Operator.IS_NONE_OF):
        wrong("operator", "isPartOf or isNoneOf")
    negative = operator is Operator.IS_NONE_OF

    def test(value: object) -> bool | None:
        known = time_of(value)
        return None if known is None else any(each.contains(known) for each in windows) is not negative

    return test


def _window(value: Value) -> Window:
    return read_window(str(value)) or wrong("rightOperand", "a window such as 1-5 08:00/18:00 +08:00")


def _address_test(operator: Operator, values: Values) -> Test:
    right = [read_network(str(each)) or wrong("rightOperand", "a host, an address or a network") for each in values]
    networks = [each for each in right if not isinstance(each, str)]
    hosts = frozenset(each for each in right if isinstance(each, str))
    if operator not in (Operator.EQ, Operator.NEQ, Operator.IS_ANY_OF, Operator.IS_NONE_OF, Operator.IS_PART_OF):
        wrong("operator", "isAnyOf or isNoneOf")
    negative = operator in (Operator.IS_NONE_OF, Operator.NEQ)

    def test(value: object) -> bool | None:
        known = read_address(value) if type(value) is str else None
        if known is None:
            return None
        address = isinstance(known, (IPv4Address, IPv6Address))
        found = any(known in each for each in networks) if address else known in hosts
        # A name and an address cannot be compared here: whatever is left of the other form may still be it.
        left = hosts if address else networks
        return None if not found and left else found is not negative

    return test
