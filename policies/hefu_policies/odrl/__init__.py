"""Policies in JSON: ODRL 2.2 in the Hefu profile, in and out.

`load` and `dump` read and write one form, fast and strict: that of the Dataspace Protocol, in which policies are
signed and sent. Nothing is ignored: an unknown member, context, profile, action, operand, operator, datatype, unit or
concept is refused with its place and what to write instead. Contexts are a fixed list and never fetched, so plain
JSON suffices: with these contexts each term has one meaning.

`hefu_policies.odrl.jsonld` brings equivalent policies of other forms into this one, `hefu_policies.odrl.plain` writes
ODRL for others, and `hefu_policies.odrl.published` is what the profile's own IRIs stand for.

Source: ODRL JSON-LD context; Dataspace Protocol 2025-1, contract schema; docs/policies.md.
"""

from __future__ import annotations

from hefu_policies.odrl.checks import LARGEST_POLICY, PROHIBIT, SMALLEST_GROUP
from hefu_policies.odrl.reader import load
from hefu_policies.odrl.values import PRODUCT_PREFIX
from hefu_policies.odrl.writer import bind, dump

__all__ = ["LARGEST_POLICY", "PRODUCT_PREFIX", "PROHIBIT", "SMALLEST_GROUP", "bind", "dump", "load"]
