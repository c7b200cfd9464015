"""What admission does to pods now. The API server follows a change of its policies a moment later."""

import json
import subprocess
from dataclasses import dataclass
from typing import Any, Final

from hack.bench import dry_runs, lean
from hack.kubectl import Json, Kubectl, KubectlError, eventually
from sovereign_operator.core.sidecar import contract as sidecar

UNKNOWN_NODE: Final = "node not accepted"
"""What our guard says of a pod that names a node which its policy does not accept."""


@dataclass(frozen=True)
class Effects:
    """Looks at pods that would be made in namespaces held to a policy, to one that encrypts, and to the lean one."""

    admin: Kubectl
    held: str
    encrypting: str
    lean: str

    def wait_for_ours(self, *, present: bool) -> None:
        """Wait until all kinds of our admission are in effect, or none is."""
        eventually(lambda: self._ours() == {present}, what=f"our admission {'' if present else 'not '}in effect")

    def wait_for_lean(self, *, present: bool) -> None:
        """Wait until both lean policies are in effect, or none is."""
        eventually(lambda: self._lean() == {present}, what=f"lean policies {'' if present else 'not '}in effect")

    def _ours(self) -> set[bool]:
        """Return whether pods are placed, whether they are checked, and whether they get a sidecar."""
        placed = "nodeSelector" in self._made(self.held)["spec"]
        checked = UNKNOWN_NODE in self._try(self.held, nodeName="nowhere").stderr
        return {placed, checked, sidecar.container_of(self._made(self.encrypting)) is not None}

    def _lean(self) -> set[bool]:
        """Return whether pods get the entry, and whether they are refused with another."""
        written = "nodeSelector" in self._made(self.lean)["spec"]
        checked = lean.MESSAGE in self._try(self.lean, nodeSelector={lean.LABEL: "another"}).stderr
        return {written, checked}

    def _made(self, namespace: str) -> Json:
        done = self._try(namespace)
        if done.returncode:
            raise KubectlError(done.stderr.strip())
        made: Json = json.loads(done.stdout)
        return made

    def _try(self, namespace: str, **spec: Any) -> subprocess.CompletedProcess[str]:
        options = ["--dry-run=server", "--output=json", "--filename=-"]
        return self.admin.attempt("create", "-n", namespace, *options, stdin=json.dumps(dry_runs.pod(**spec)))
