"""The filing keys of this participant's agreements: drawn by who draws up, checked by who signs, used by who computes.

A filing key is kept nowhere: it stands wrapped in the agreement, for every party and for the regulators that the
space's charter names, and is unwrapped each time.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hefu.statements import filing
from hefu.statements.filing import Filing, FilingKey
from hefu_policies.agreeing.agreement import Agreement
from hefu_policies.bargaining import charter

from hefu_connector.ports import Chartered, Trust


@dataclass(frozen=True, slots=True)
class Filer:
    """A participant with the key that opens what is sealed for it.

    Attributes:
        chartered: gives the newest verified charter of the space, or None where it has none.
    """

    participant: str
    trust: Trust
    chartered: Chartered
    private: X25519PrivateKey

    def draw(self, agreement: str, parties: Iterable[str]) -> Filing | None:
        """A filing key for an agreement that is drawn up; None where the charter names nobody to file for.

        Raises:
            NotFound: a party is not certified.
            Untrusted: nothing can be wrapped to a key of the charter.
            Unavailable: the charter was not seen yet.
        """
        found = self.chartered()
        if found is None or not found.filing:
            return None
        certified = {each: FilingKey(self.trust.sealing(each)) for each in parties}
        return filing.draw(agreement, certified | dict(found.filing))

    def check(self, agreement: Agreement) -> None:
        """Before this party signs: filed for whom the charter names, and the key that was signed for is in it.

        LIMIT: what is wrapped for others only they can open. A regulator for whom it is garbage finds that out at its
        first look, and proves it with its own key.

        Raises:
            Untrusted: it is not.
        """
        charter.check_filing(self.chartered(), agreement)
        self.key(agreement)

    def key(self, agreement: Agreement) -> bytes | None:
        """The filing key of an agreement; None where it files nothing. Raises as `hefu.statements.filing.unwrap`."""
        if agreement.filing is None:
            return None
        return filing.unwrap(agreement.filing, agreement.id, self.participant, self.private)
