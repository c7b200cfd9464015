"""Attacks by a user to whom RBAC allows everything, each refused by exactly one admission policy of the chart.

The test also checks that the attack succeeds once that policy's binding is deleted.
"""

import pytest

from hack.kubectl import Kubectl, eventually
from tests.e2e.support.attacks import ATTACKS, Attack
from tests.e2e.support.guards import without_bindings
from tests.e2e.support.manifests import pod
from tests.e2e.support.spaces import Space

pytestmark = pytest.mark.every_kubernetes


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS.keys())
def test_an_attack_is_refused_by_one_guard_and_nothing_else(
    admin: Kubectl, mallory: Kubectl, space: Space, attack: Attack
) -> None:
    namespace = space(attack.policy)
    if attack.waiting:
        admin.create(pod("waiting", schedulerName="nobody"), namespace)

    refused = attack.run(mallory, namespace)
    assert refused.returncode
    assert f"ValidatingAdmissionPolicy '{attack.guard}'" in refused.stderr
    assert attack.says in refused.stderr
    assert "\n" not in refused.stderr.strip()

    with without_bindings(admin, attack.guard):
        eventually(lambda: attack.run(mallory, namespace).returncode == 0, seconds=20, what="success without the guard")
    eventually(lambda: attack.guard in attack.run(mallory, namespace).stderr, seconds=20, what="the guard again")
    admin.delete("node", "fake")
