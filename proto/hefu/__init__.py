"""The protocol floor: contracts in bytes. `connect` is the door for analysts, `export_model` for who serves a model.

import hefu

space = hefu.connect()
space.product("prd-…").query("SELECT COUNT(*) AS n FROM data", epsilon="0.5")
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hefu.analysis import Number, Space

__all__ = ["connect", "export_model"]


def connect(where: str | os.PathLike[str] | None = None) -> Space:
    """The data space that a running connector of this account is in; see `hefu.analysis.Space`.

    Args:
        where: the connector's directory or its socket; HEFU_DIR where absent, then ``./hefu-connector``.

    Raises:
        Unavailable: no connector runs there.
        NotFound: the connector's packages are not installed.
    """
    from hefu import analysis

    return analysis.connect(where)


def export_model(
    fitted: Any,
    path: str | os.PathLike[str],
    *,
    ranges: Mapping[str, tuple[Number, Number]],
    units: Mapping[str, str] | None = None,
    names: Sequence[str] = (),
    scaler: Any = None,
    answer: str = "",
    step: Number = "0.01",
) -> str:
    """Write a model's file of a fitted scikit-learn estimator, to serve it on encrypted records.

    Args:
        fitted: a `LinearRegression` or binary `LogisticRegression`, or a `Pipeline` of scalers and one of them.
        path: a new file; it holds the weights and is for its provider alone.
        ranges: of each feature, as it is before any scaler, what its values may be. They are published: declare them,
            and do not take them from data.
        units: of measure, where a feature has one.
        names: of the features in order; may be left out where the estimator was fitted on a data frame.
        scaler: a `StandardScaler` or `MinMaxScaler` that the features went through.
        answer: ``identity``, ``ranking`` or ``logistic``; else logistic of two classes, and identity of a number.
        step: the grid of what is released.

    Returns:
        The model's digest, which contracts name.

    Raises:
        Malformed: the estimator is no such model, a range is missing, or scores over the ranges are too large.
        NotFound: the connector's packages are not installed.
    """
    from hefu import analysis

    return analysis.export_model(
        fitted, path, ranges=ranges, units=units, names=names, scaler=scaler, answer=answer, step=step
    )
