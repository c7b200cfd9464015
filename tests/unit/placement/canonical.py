"""Verdicts as bytes, so that two sets of them can be compared completely."""

import json
from dataclasses import asdict

from sovereign_operator.core.placement.verdicts import Verdicts


def canonical(verdicts: Verdicts) -> bytes:
    """Return all verdicts as bytes, in the same order."""
    said = {
        "sites": [asdict(verdict) | {"accepted": verdict.accepted} for _, verdict in sorted(verdicts.sites.items())],
        "members": [asdict(member) for _, member in sorted(verdicts.members.items())],
        "nodes": [
            asdict(verdict) | {"sentence": verdict.sentence, "decisionId": verdict.decision_id}
            for verdict in verdicts.nodes.values()
        ],
    }
    return json.dumps(said, default=str).encode()
