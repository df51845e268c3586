"""What must be true of the bundle of one contract besides what `hefu.checking.checks` says of its entries."""

from __future__ import annotations

import base64

from hefu import canonical, identity
from hefu.checking.checks import Facts, Findings
from hefu.errors import HefuError
from hefu.evidence import contract_bundle
from hefu.evidence.bundle import Excerpt
from hefu.evidence.contract_bundle import entry_name, proof_name
from hefu.evidence.record import Record
from hefu.identity import Participant
from hefu.members import exactly, many, reading, text, whole
from hefu.membership.charter import CHARTERED, Charter
from hefu.tlog import checkpoint, tree
from hefu.tlog.checkpoint import Checkpoint
from hefu.tlog.note import LARGEST_NOTE, Note, VerifierKey
from hefu.tlog.policy import NOBODY, WitnessPolicy
from hefu.tlog.proof import LogProof


def check_members(excerpt: Excerpt) -> Findings:
    """Every member that the manifest names is there with its digest, every entry and proof, and nothing else."""
    manifest = excerpt.manifest
    named = {*manifest.members}
    findings = Findings(seen=len(named))
    needed = {name(index) for index in manifest.entries for name in (entry_name, proof_name)}
    needed |= contract_bundle.NEEDED | {contract_bundle.AGREEMENT, contract_bundle.KEYS, contract_bundle.REPORT}
    for name in sorted((named | needed) - {contract_bundle.MANIFEST} - excerpt.names):
        findings.faults.append(f"{name} is missing")
    for name in sorted(excerpt.names - named - {contract_bundle.MANIFEST}):
        findings.faults.append(f"{name} is not named in the manifest")
    for name in sorted(named & excerpt.names):
        if canonical.digest(excerpt.read(name)) != manifest.members[name]:
            findings.faults.append(f"{name} was altered: it has another digest than the manifest says")
    return findings


def check_inclusion(excerpt: Excerpt, note: str, head: Checkpoint | None, key: VerifierKey) -> Findings:
    """Every entry stands in the checkpoint's tree, by its own proof."""
    findings = Findings(seen=len(excerpt.manifest.entries))
    for index in excerpt.manifest.entries:
        try:
            leaf = tree.leaf_hash(excerpt.read(entry_name(index)))
            proof = LogProof.parse(excerpt.read(proof_name(index), LARGEST_NOTE).decode("utf-8", "replace"))
            if (proof.index, proof.checkpoint) != (index, note):
                findings.faults.append(f"entry {index}: its proof is of another entry or under another checkpoint")
            elif proof.verify(leaf, key) != head:
                findings.faults.append(f"entry {index}: there is no verified checkpoint for its proof")
        except HefuError as fault:
            findings.faults.append(f"entry {index}: {fault.public()}")
    if head is not None and head.size != excerpt.manifest.size:
        findings.faults.append("the manifest is of another size than the checkpoint")
    return findings


def check_contract(excerpt: Excerpt, facts: Facts) -> Findings:
    """The agreement is the one that is named, logged and signed, and the keys are those that the entries certify."""
    findings, manifest = Findings(seen=2), excerpt.manifest
    contract = facts.contracts.get(manifest.agreement)
    if contract is None:
        findings.faults.append("the agreement that the bundle is of is not among its entries")
    else:
        findings.faults += _same(excerpt, contract_bundle.AGREEMENT, excerpt.read(entry_name(contract.index)))
    if any(each.id != manifest.agreement for each in facts.contracts.values()):
        findings.unchecked += 1  # joined with another contract, whose other entries are not here
    findings.faults += _same(excerpt, contract_bundle.KEYS, keys_of(facts.record))
    return findings


def check_witnesses(excerpt: Excerpt, note: str, record: Record) -> Findings:
    """The checkpoint has the quorum of the newest charter in the bundle; none is asked for where there is none."""
    findings = Findings()
    charters = [Charter.of(each.statement) for each in record.of(CHARTERED)]
    wanted = charters[-1].witnesses if charters else ""
    there = contract_bundle.POLICY in excerpt.names
    held = excerpt.read(contract_bundle.POLICY).decode("utf-8", "replace") if there else ""
    if held != wanted:
        findings.faults.append(f"{contract_bundle.POLICY} is not the witness policy of the charter")
    if wanted:
        policy = WitnessPolicy.parse(wanted)
        findings.seen = len(policy.witnesses)
        try:
            if policy.quorum != NOBODY:
                policy.verify(Note.parse(note))
        except HefuError as fault:
            findings.faults.append(fault.public())
    return findings


def check_later(excerpt: Excerpt, head: Checkpoint | None, key: VerifierKey) -> Findings:
    """The later checkpoint that is in the bundle extends this one."""
    there = {contract_bundle.LATER, contract_bundle.CONSISTENCY} & excerpt.names
    findings = Findings(seen=len(there) // 2)
    if not there:
        return findings
    try:
        later = checkpoint.verify(excerpt.read(contract_bundle.LATER, LARGEST_NOTE).decode("utf-8", "replace"), key)
        body = canonical.decode_object(excerpt.read(contract_bundle.CONSISTENCY))
        with reading("consistency proof"):
            exactly(body, "old", "new", "hashes")
            old, new = whole(body["old"]), whole(body["new"])
            hashes = many(body["hashes"], lambda each: base64.b64decode(text(each), validate=True))
        if head is None or (old, new) != (head.size, later.size):
            findings.faults.append("the consistency proof is between other checkpoints")
        else:
            tree.verify_consistency(old, new, head.root, later.root, hashes)
    except HefuError as fault:
        findings.faults.append(fault.public())
    return findings


def keys_of(record: Record) -> bytes:
    """``keys.json``: by participant, each key that was certified and the entry that did it first."""
    found: dict[str, dict[str, int]] = {}
    for logged in record.of(identity.CERTIFIED):
        one = Participant.of(logged.statement)
        for key in one.signing:
            found.setdefault(one.id, {}).setdefault(key.key, logged.index)
    return canonical.encode({name: {**keys} for name, keys in found.items()})


def _same(excerpt: Excerpt, name: str, expected: bytes) -> list[str]:
    same = name in excerpt.names and excerpt.read(name) == expected
    return [] if same else [f"{name} is not what the entries say"]
