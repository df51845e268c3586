"""Policies as formulas for z3, read from the meaning of the operators a second time: nothing of the cells is used.

Numbers are reals or integers of 0 or more, times seconds, single values an integer over the named ones *plus one for
any other* (else lists of what is excluded would look total), sets one truth value an element plus one for any other.
Regions, addresses and windows of the week, which have an order of their own, are integers over representative values.

Source: docs/decisions/2026-11-21-policy-semantics.md; the reference of policies, section 11.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from operator import eq, ge, gt, le, lt, ne
from typing import Any

from hefu.errors import Unavailable

from hefu_policies.analysis.points import points
from hefu_policies.deciding.comparisons import comparison
from hefu_policies.deciding.policy import Condition, Constraint, Logical, Policy, Rule, leaves
from hefu_policies.words.terms import HEFU, Combine, Kind, Operand, Operator, Vocabulary

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_COMPARE: Mapping[Operator, Callable[[Any, Any], Any]] = {
    Operator.EQ: eq, Operator.NEQ: ne, Operator.LT: lt, Operator.LTEQ: le, Operator.GT: gt, Operator.GTEQ: ge,
}  # fmt: skip
_SETS = {Kind.NAMES: "any_other", Kind.PARTIES: "any-other", Kind.CLAIM: "AnyOther.claim=value"}
_SAMPLED = frozenset({Kind.REGION, Kind.INDUSTRY, Kind.ADDRESS, Kind.WINDOW})
_LINES = frozenset({Kind.DECIMAL, Kind.DURATION, Kind.INTEGER, Kind.TIME, Kind.LEVEL})
_NOT = frozenset({Operator.NEQ, Operator.IS_NONE_OF})
Clauses = Callable[[str, str], Any]  # (rule, part) -> the formula that switches a clause on


def solver_library() -> Any:
    """The module z3.

    Raises:
        Unavailable: the extra ``analysis`` is not installed.
    """
    try:
        import z3
    except ImportError:
        raise Unavailable("analysis.no_solver") from None
    return z3


def fraction(number: Any) -> Fraction:
    """A number of the solver's, whole or not."""
    return Fraction(number.as_string())


class Encoding:
    """The facts of some rules as variables of one context, and conditions as formulas over them."""

    def __init__(self, rules: Iterable[Rule], vocabulary: Vocabulary = HEFU) -> None:
        self.z3 = solver_library()
        self.context = self.z3.Context()
        self._vocabulary = vocabulary
        self._rules = tuple(rules)
        self.actions = sorted(frozenset().union(*(vocabulary.narrower(each.action) for each in self._rules)))
        self.action = self.z3.Int("action", self.context)
        self._leaves: dict[str, list[Constraint]] = {}
        for rule in self._rules:
            for leaf in leaves(rule):
                self._leaves.setdefault(leaf.fact, []).append(leaf)
        self._facts: dict[str, _Fact] = {
            name: _fact(self, name, found, vocabulary) for name, found in sorted(self._leaves.items())
        }

    def domain(self) -> Any:
        """What is true of all facts."""
        known = [self.action >= 0, self.action < len(self.actions)]
        return self.every([*known, *(each.domain for each in self._facts.values())])

    def every(self, formulas: Iterable[Any]) -> Any:
        """All of them."""
        return self.z3.And([self.z3.BoolVal(True, self.context), *formulas])

    def some(self, formulas: Iterable[Any]) -> Any:
        """At least one of them."""
        return self.z3.Or([self.z3.BoolVal(False, self.context), *formulas])

    def negation(self, formula: Any) -> Any:
        """The contrary."""
        return self.z3.Not(formula)

    def permits(self, policy: Policy, clauses: Clauses | None = None) -> Any:
        """That a policy permits the request: some permission holds, and no prohibition."""
        held = [
            self.every(
                [
                    self._covers(rule),
                    *(self._switched(clauses, rule.id, each.id, self.truth(each, True)) for each in rule.constraints),
                ]
            )
            for rule in policy.permissions
        ]
        free = [
            self._switched(clauses, rule.id, "", self.some([self.negation(self._covers(rule)), self._one_fails(rule)]))
            for rule in policy.prohibitions
        ]
        return self.every([self.some(held), *free])

    def truth(self, condition: Condition, wanted: bool) -> Any:
        """That a condition is true; or, if not ``wanted``, that it is false. It may be neither."""
        if isinstance(condition, Constraint):
            fact = self._facts[condition.fact]
            return fact.holds(condition) if wanted else fact.fails(condition)
        if condition.combine is Combine.XONE:
            return self._exactly_one(condition, wanted)
        parts = [self.truth(each, wanted) for each in condition.parts]
        if condition.combine is Combine.AND_SEQUENCE and not wanted:
            return self.every([self.some(parts), *self._known(condition)])
        return self.some(parts) if (condition.combine is Combine.OR) is wanted else self.every(parts)

    def number(self, fact: str) -> Any:
        """The variable of a fact that lies on a line; None where it does not, or nothing is said about it."""
        found = self._facts.get(fact)
        return found.variable if isinstance(found, _Line) else None

    def read(self, model: Any) -> tuple[str, dict[str, object]]:
        """The action and the facts of a model."""
        action = model.eval(self.action, model_completion=True).as_long()
        return self.actions[action], {name: each.value(model) for name, each in self._facts.items()}

    def value(self, fact: str, number: Fraction) -> object:
        """A number of the solver as the fact that it stands for."""
        found = self._facts[fact]
        return found.typed(number) if isinstance(found, _Line) else None

    def _exactly_one(self, condition: Logical, wanted: bool) -> Any:
        one = self.z3.PbEq([(self.truth(each, True), 1) for each in condition.parts], 1)
        return self.every([*self._known(condition), one if wanted else self.negation(one)])

    def _known(self, condition: Logical) -> list[Any]:
        """That each part is either true or false: else an exclusive choice and a sequence are Unknown."""
        return [self.some([self.truth(each, True), self.truth(each, False)]) for each in condition.parts]

    def _one_fails(self, rule: Rule) -> Any:
        return self.some(self.truth(each, False) for each in rule.constraints)

    def _covers(self, rule: Rule) -> Any:
        covered = self._vocabulary.narrower(rule.action)
        return self.some(self.action == self.actions.index(each) for each in sorted(covered))

    def _switched(self, clauses: Clauses | None, rule: str, part: str, formula: Any) -> Any:
        return formula if clauses is None else self.z3.Implies(clauses(rule, part), formula)


class _Fact:
    """One fact: its variables, what is true of them, and how a constraint reads."""

    domain: Any
    _encoding: Encoding

    def holds(self, leaf: Constraint) -> Any:
        raise NotImplementedError

    def fails(self, leaf: Constraint) -> Any:
        return self._encoding.negation(self.holds(leaf))

    def value(self, model: Any) -> object:
        raise NotImplementedError


class _Line(_Fact):
    """A number, a time, a length of time or a level."""

    def __init__(self, encoding: Encoding, name: str, operand: Operand) -> None:
        z3, context = encoding.z3, encoding.context
        self._encoding, self._operand = encoding, operand
        self._of = z3.Q if operand.kind is Kind.DECIMAL else None
        self._context = context
        self.variable = z3.Real(name, context) if operand.kind is Kind.DECIMAL else z3.Int(name, context)
        limits = [] if operand.kind is Kind.TIME else [self.variable >= 0]
        if operand.kind is Kind.LEVEL:
            limits.append(self.variable < len(operand.levels))
        self.domain = encoding.every(limits)

    def holds(self, leaf: Constraint) -> Any:
        if leaf.operator in _COMPARE:
            return _COMPARE[leaf.operator](self.variable, self._constant(leaf.values[0]))
        listed = self._encoding.some(self.variable == self._constant(each) for each in leaf.values)
        return self._encoding.negation(listed) if leaf.operator in _NOT else listed

    def value(self, model: Any) -> object:
        return self.typed(fraction(model.eval(self.variable, model_completion=True)))

    def typed(self, number: Fraction) -> object:
        """A number as a fact."""
        match self._operand.kind:
            case Kind.DECIMAL:
                return Decimal(number.numerator) / Decimal(number.denominator)
            case Kind.TIME:
                return _EPOCH + timedelta(seconds=int(number))
            case Kind.DURATION:
                return timedelta(seconds=int(number))
            case Kind.LEVEL:
                return self._operand.levels[int(number)]
        return int(number)

    def _constant(self, value: Any) -> Any:
        found = self._number(value)
        return self._of(found.numerator, found.denominator, self._context) if self._of else int(found)

    def _number(self, value: Any) -> Fraction:
        match self._operand.kind:
            case Kind.TIME:
                return Fraction(int((value - _EPOCH).total_seconds()))
            case Kind.DURATION:
                return Fraction(value // timedelta(seconds=1))
            case Kind.LEVEL:
                return Fraction(self._operand.levels.index(value))
        return Fraction(value)


class _Choice(_Fact):
    """One of finitely many values; each constraint holds for some of them."""

    def __init__(
        self, encoding: Encoding, name: str, values: list[object], true: Callable[[Constraint, object], bool | None]
    ) -> None:
        self._encoding, self._values, self._true = encoding, values, true
        self.variable = encoding.z3.Int(name, encoding.context)
        self.domain = encoding.every([self.variable >= 0, self.variable < len(values)])

    def holds(self, leaf: Constraint) -> Any:
        return self._those(leaf, True)

    def fails(self, leaf: Constraint) -> Any:
        return self._those(leaf, False)

    def _those(self, leaf: Constraint, wanted: bool) -> Any:
        return self._encoding.some(
            self.variable == index for index, each in enumerate(self._values) if self._true(leaf, each) is wanted
        )

    def value(self, model: Any) -> object:
        return self._values[model.eval(self.variable, model_completion=True).as_long()]


class _Set(_Fact):
    """A set: whether each named element is in it, and whether any other is."""

    def __init__(self, encoding: Encoding, name: str, elements: list[str], kind: Kind) -> None:
        self._encoding, self._kind = encoding, kind
        other = _SETS[kind]
        while other in elements:
            other += "_"
        self._has = {
            each: encoding.z3.Bool(f"{name}:{index}", encoding.context) for index, each in enumerate([*elements, other])
        }
        self.domain = encoding.every([])

    def holds(self, leaf: Constraint) -> Any:
        listed = frozenset(map(str, leaf.values))
        inside = [has for each, has in self._has.items() if each in listed]
        outside = [has for each, has in self._has.items() if each not in listed]
        match leaf.operator:
            case Operator.IS_PART_OF:
                return self._encoding.negation(self._encoding.some(outside))
            case Operator.IS_ALL_OF | Operator.HAS_PART:
                return self._encoding.every(inside)
            case Operator.EQ | Operator.NEQ if self._kind is not Kind.CLAIM:
                same = self._encoding.every([*inside, *map(self._encoding.negation, outside)])
                return same if leaf.operator is Operator.EQ else self._encoding.negation(same)
        some = self._encoding.some(inside)
        return self._encoding.negation(some) if leaf.operator in _NOT else some

    def value(self, model: Any) -> object:
        return frozenset(each for each, has in self._has.items() if bool(model.eval(has, model_completion=True)))


def _fact(encoding: Encoding, name: str, found: list[Constraint], vocabulary: Vocabulary) -> _Fact:
    operand = found[0].operand
    if operand.kind in _LINES:
        return _Line(encoding, name, operand)
    values = sorted({str(value) for leaf in found for value in leaf.values})
    if operand.kind in _SETS:
        return _Set(encoding, name, values, operand.kind)
    if operand.kind in _SAMPLED:
        tests = {
            (leaf.operator, leaf.values): comparison(operand, leaf.operator, leaf.values, vocabulary) for leaf in found
        }
        sampled = [each.value for each in points(operand, found, vocabulary)]
        known = [each for each in sampled if any(test(each) is not None for test in tests.values())]
        return _Choice(encoding, name, known, lambda leaf, value: tests[leaf.operator, leaf.values](value))
    if operand.kind is Kind.PURPOSE:
        lineage = vocabulary.taxonomies[operand.taxonomy]
        return _Choice(encoding, name, [*lineage], lambda leaf, value: _is_in(leaf, value, lineage[str(value)]))
    if operand.kind is Kind.BOOLEAN:
        return _Choice(encoding, name, [True, False], lambda leaf, value: _is_in(leaf, value, frozenset({value})))
    named: list[object] = [*sorted(operand.words)] if operand.words else [*values, _other(operand, values)]
    return _Choice(encoding, name, named, lambda leaf, value: _is_in(leaf, value, frozenset({value})))


def _is_in(leaf: Constraint, value: object, counts_as: frozenset[object]) -> bool:
    match leaf.operator:
        case Operator.EQ | Operator.NEQ:
            return (value == leaf.values[0]) is (leaf.operator is Operator.EQ)
        case Operator.IS_ALL_OF | Operator.HAS_PART:
            return counts_as.issuperset(leaf.values)
    return counts_as.isdisjoint(leaf.values) is (leaf.operator in _NOT)


def _other(operand: Operand, values: list[str]) -> str:
    if operand.kind is Kind.DIGEST:
        return next(each for digit in "0123456789abcdef" if (each := "sha256:" + digit * 64) not in values)
    other = "any-other" if operand.kind is Kind.PARTY else "urn:hefu:any-other"
    while other in values:
        other += "_"
    return other
