import pytest

from sovereign_operator.core.cuts import Cuts, next_cuts

BOTH, BREST, LYON = frozenset({"snc/brest", "snc/lyon"}), frozenset({"snc/brest"}), frozenset({"snc/lyon"})


@pytest.mark.parametrize(
    ("before", "now", "settled", "after"),
    [
        (Cuts(), BOTH, False, Cuts(0, BOTH)),
        (Cuts(2, BOTH), BOTH, True, Cuts(2, BOTH)),
        (Cuts(2, BREST), BOTH, True, Cuts(2, BOTH)),
        (Cuts(2, BOTH), BREST, False, Cuts(2, BOTH)),
        (Cuts(2, BOTH), BREST, True, Cuts(3, BREST)),
        (Cuts(2, BREST), LYON, False, Cuts(2, BOTH)),
        (Cuts(2, BOTH), frozenset(), True, Cuts(3)),
    ],
)
def test_a_cut_follows_a_loss_of_trust_once_it_has_settled(
    before: Cuts, now: frozenset[str], *, settled: bool, after: Cuts
) -> None:
    assert next_cuts(before, now, settled=settled) == after
