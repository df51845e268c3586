"""A witness policy in plain words, English and Chinese: who must have cosigned before a checkpoint counts."""

from __future__ import annotations

from hefu.tlog.policy import NOBODY, WitnessPolicy


def explain(policy: WitnessPolicy) -> tuple[str, str]:
    """The policy as a few lines: the quorum in one sentence, then each witness and where it is asked."""
    if policy.quorum == NOBODY:
        return "witnesses: nobody need cosign a checkpoint", "见证方：检查点无须任何见证方联署"
    lines = [f"  {name}: {known.url or '-'}" for name, known in policy.witnesses.items()]
    english = [f"witnesses: a checkpoint counts when cosigned by {_words(policy, policy.quorum)}", *lines]
    chinese = [f"见证方：检查点须经{_zh_words(policy, policy.quorum)}联署方为有效", *lines]
    return "\n".join(english), "\n".join(chinese)


def _words(policy: WitnessPolicy, name: str) -> str:
    group = policy.groups.get(name)
    if group is None:
        return name
    members = [_words(policy, each) for each in group.members]
    if len(members) == 1:
        return members[0]
    if group.least == len(members):
        return f"all of ({'; '.join(members)})"
    return f"{group.least} of ({'; '.join(members)})"


def _zh_words(policy: WitnessPolicy, name: str) -> str:
    group = policy.groups.get(name)
    if group is None:
        return f" {name} "
    members = [_zh_words(policy, each) for each in group.members]
    if len(members) == 1:
        return members[0]
    if group.least == len(members):
        return f"（{'；'.join(members)}）全部"
    return f"（{'；'.join(members)}）中至少 {group.least} 方"
