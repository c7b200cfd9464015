"""Verdicts as bytes, so that two sets of them can be compared completely."""

import json
from dataclasses import asdict

from sovereign_operator.core.placement.verdict import Verdicts


def canonical(verdicts: Verdicts) -> bytes:
    """Return everything that judge() returns as bytes, in the same order."""
    said = {
        "sites": [asdict(verdict) | {"accepted": verdict.accepted} for verdict in verdicts.sites.values()],
        "members": [asdict(member) for member in verdicts.members.values()],
        "nodes": [
            asdict(verdict) | {"sentence": verdict.sentence, "decisionId": verdict.decision_id}
            for verdict in verdicts.nodes.values()
        ],
    }
    return json.dumps(said, default=str).encode()
