"""Making the file of a model that is served on encrypted records: of a fitted estimator, or of numbers in a table.

Nothing is fitted here and no estimator is unpickled: whoever has one hands over the object, and numbers are read off
it. A range is what its provider declares that values may be. It is never taken from data, since it is published.

Source: attributes as scikit-learn 1.x documents them for `LinearRegression`, `LogisticRegression`, `StandardScaler`,
`MinMaxScaler` and `Pipeline`.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import ROUND_HALF_EVEN, Context, Decimal, InvalidOperation
from pathlib import Path
from typing import Any, NoReturn

from hefu import canonical
from hefu.errors import Malformed

from hefu_connector.computing.model import IDENTITY, LARGEST_SCORE, LOGISTIC, RANKING, STEEPEST, Feature, Model

STEP = Decimal("0.01")
Number = int | float | str | Decimal
Range = tuple[Number, Number]
_EXACT = Context(prec=80, rounding=ROUND_HALF_EVEN)
_FINEST = Decimal("1E-24")  # of a weight: far below what any answer shows, and short enough to be written
_NONCE = 32  # bytes


def export(
    fitted: Any,
    path: str | os.PathLike[str],
    *,
    ranges: Mapping[str, Range],
    units: Mapping[str, str] | None = None,
    names: Sequence[str] = (),
    scaler: Any = None,
    answer: str = "",
    step: Number = STEP,
) -> str:
    """As `hefu.export_model`."""
    made = of_fitted(
        fitted, ranges=ranges, units=units or {}, names=names, scaler=scaler, answer=answer, step=_decimal(step)
    )
    write(made, Path(path))
    return made.digest()


def write(model: Model, path: Path) -> None:
    """Write a model to a new file that only its owner reads.

    Raises:
        Malformed: the file is there already, or cannot be written.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise Malformed("command.exists", path=str(path)) from None
    except OSError as fault:
        raise Malformed("command.file", path=str(path), why=fault.strerror or "not writable") from None
    with open(descriptor, "wb") as file:
        file.write(canonical.encode(model.body()))


def of_fitted(
    fitted: Any,
    *,
    ranges: Mapping[str, Range],
    units: Mapping[str, str],
    names: Sequence[str],
    scaler: Any,
    answer: str,
    step: Decimal,
) -> Model:
    """The model of an estimator, the scalers before it folded in; raises Malformed."""
    *before, last = [each for _, each in fitted.steps] if hasattr(fitted, "steps") else [fitted]
    scalers = [*([] if scaler is None else [scaler]), *before]
    if len(getattr(last, "classes_", (0, 1))) != 2:
        _unfit("of two classes, or a number")
    weights, (intercept,) = _numbers(last, "coef_"), _numbers(last, "intercept_", 1)
    called = [str(each) for each in names] or _names(scalers[0] if scalers else last, last)
    if len(called) != len(weights):
        _unfit(f"a name for each of its {len(weights)} features")
    for factor, shift in map(_affine, reversed(scalers), [len(weights)] * len(scalers)):
        intercept = _EXACT.add(intercept, sum(map(_EXACT.multiply, weights, shift), Decimal(0)))
        weights = [*map(_EXACT.multiply, weights, factor)]
    wanted = answer or (LOGISTIC if hasattr(last, "classes_") else IDENTITY)
    return make(features(called, ranges, units), weights, intercept, wanted, step)


def features(names: Sequence[str], ranges: Mapping[str, Range], units: Mapping[str, str]) -> list[Feature]:
    """Features by their declared ranges; raises Malformed where one has none."""
    missing = [each for each in names if each not in ranges]
    if missing:
        raise Malformed("model.ranges", names=", ".join(missing)[:200])
    return [Feature(each, units.get(each, ""), *map(_decimal, ranges[each])) for each in names]


def make(
    known: Sequence[Feature], weights: Sequence[Decimal], intercept: Decimal, answer: str, step: Decimal
) -> Model:  # fmt: skip
    """A model of exact numbers, with a nonce of its own, so that nobody guesses its weights from its digest.

    Raises:
        Malformed: its numbers are none that can be served.
    """
    rounded, base = [*map(_rounded, weights)], _rounded(intercept)
    middle = sum((w * f.middle for w, f in zip(rounded, known, strict=True)), base)
    reach = sum((abs(w * f.half) for w, f in zip(rounded, known, strict=True)), abs(middle))
    most = STEEPEST if answer == LOGISTIC else LARGEST_SCORE
    if reach > most:
        other = RANKING if answer == IDENTITY else IDENTITY
        raise Malformed("model.reach", reach=f"{reach:.3g}", answer=answer, most=str(most), other=other)
    return Model(tuple(known), tuple(rounded), base, answer, step, secrets.token_bytes(_NONCE).hex())


def _affine(scaler: Any, width: int) -> tuple[list[Decimal], list[Decimal]]:
    """What a scaler multiplies each feature by, and what it adds then."""
    ones, zeros = [Decimal(1)] * width, [Decimal(0)] * width
    if hasattr(scaler, "data_min_"):
        return _numbers(scaler, "scale_", width), _numbers(scaler, "min_", width)
    if not hasattr(scaler, "with_mean"):
        _unfit("an estimator behind a StandardScaler or MinMaxScaler, and nothing else")
    # It knows a mean that it does not subtract where it was told not to: its switches say what it does.
    scales = _numbers(scaler, "scale_", width) if scaler.with_std else ones
    means = _numbers(scaler, "mean_", width) if scaler.with_mean else zeros
    factors = [_EXACT.divide(Decimal(1), each) for each in scales]
    return factors, [-_EXACT.multiply(mean, factor) for mean, factor in zip(means, factors, strict=True)]


def _names(first: Any, last: Any) -> list[str]:
    found = getattr(first, "feature_names_in_", getattr(last, "feature_names_in_", ()))
    return [str(each) for each in found]


def _numbers(fitted: Any, name: str, width: int = 0) -> list[Decimal]:
    """The numbers of an attribute, an array or one number."""
    if not hasattr(fitted, name):
        _unfit(f"fitted, with {name}")
    value = getattr(fitted, name)
    found = [_decimal(each) for each in _flat(value.tolist() if hasattr(value, "tolist") else value)]
    if not found or (width and len(found) != width):
        _unfit(f"{name} of one row")
    return found


def _flat(value: Any) -> Iterator[Any]:
    for each in value if isinstance(value, Iterable) and not isinstance(value, str) else [value]:
        if isinstance(each, Sequence) and not isinstance(each, str):
            yield from _flat(each)
        else:
            yield each


def _decimal(value: Number) -> Decimal:
    """A number as it is written: of a float the shortest decimal that reads as it."""
    try:
        found = Decimal(repr(value) if isinstance(value, float) else str(value))
    except InvalidOperation:
        _unfit("numbers")
    return found if found.is_finite() else _unfit("finite numbers")


def _rounded(number: Decimal) -> Decimal:
    try:
        return number.quantize(_FINEST, context=_EXACT)
    except InvalidOperation:
        _unfit("numbers of a size that can be computed with")


def _unfit(expected: str) -> NoReturn:
    raise Malformed("model.fitted", expected=expected)
