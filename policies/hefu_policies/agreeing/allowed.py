"""What an agreement names by its bytes: programs and models that may run, and the contexts its policies are read in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from hefu.canonical import Json, Object

from hefu_policies.deciding.policy import Policy, leaves
from hefu_policies.reading import Place, check_digest, wrong

KINDS = ("program", "model")  # also the operands whose values they are


@dataclass(frozen=True, slots=True, order=True)
class Allowed:
    """A program or model that some permission lets run, by the digest of its bytes.

    Attributes:
        signer: who must have signed it; empty where the permission names nobody, or several.
    """

    kind: str
    digest: str
    signer: str = ""

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            wrong("programs.kind", "one of " + ", ".join(KINDS))
        check_digest(self.digest, "programs.digest")

    def body(self) -> Object:
        """``{kind, digest}``, and ``signer`` where one is named."""
        signer: Object = {"signer": self.signer} if self.signer else {}
        return {"kind": self.kind, "digest": self.digest, **signer}

    @classmethod
    def of(cls, body: Json, where: str = "programs") -> Allowed:
        """Read what `body` wrote.

        Raises:
            Malformed: a member is missing, unknown or of a wrong form.
        """
        found = Place(body, where).members(("kind", "digest"), ("signer",))
        signer = found["signer"].text() if "signer" in found else ""
        return cls(found["kind"].choice(*KINDS), found["digest"].digest(), signer)


@dataclass(frozen=True, slots=True)
class ContextDigest:
    """A JSON-LD context in which a policy is read, and the digest of the bundled document that both sides meant."""

    context: str
    digest: str

    def __post_init__(self) -> None:
        check_digest(self.digest, "contexts.digest")

    def body(self) -> Object:
        """``{context, digest}``."""
        return {"context": self.context, "digest": self.digest}

    @classmethod
    def of(cls, body: Json, where: str = "contexts") -> ContextDigest:
        """Read what `body` wrote; raises as `Allowed.of`."""
        found = Place(body, where).members(("context", "digest"))
        return cls(found["context"].text(), found["digest"].digest())


def programs(policy: Policy) -> tuple[Allowed, ...]:
    """Every program and model that a permission of the policy names by digest, in order."""
    return tuple(sorted(set(_programs(policy))))


def _programs(policy: Policy) -> Iterator[Allowed]:
    for rule in policy.permissions:
        found = {each.operand.name: tuple(map(str, each.values)) for each in leaves(rule)}
        signers = found.get("programSigner", ())
        for kind in KINDS:
            for digest in found.get(kind, ()):
                signer = signers[0] if kind == "program" and len(signers) == 1 else ""
                yield Allowed(kind, digest, signer)
