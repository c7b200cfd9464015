"""Whether a workload differs from its manifest, as the tools that apply it would report."""

from hack.kubectl import Kubectl

LOOKS = 3


def drift(admin: Kubectl, namespace: str, manifest: str) -> str:
    """Return how the cluster differs from a manifest, by client-side and by server-side diff.

    Only what several looks show counts: while pods start or end, a status may change between two reads of kubectl.
    """
    found = ""
    for _ in range(LOOKS):
        found = _look(admin, namespace, manifest)
        if not found:
            break
    return found


def _look(admin: Kubectl, namespace: str, manifest: str) -> str:
    # With its default field manager, kubectl would update its own annotation and show that as a difference.
    return "".join(
        _differences(admin, namespace, manifest, *options)
        for options in ((), ("--server-side", "--force-conflicts", "--field-manager=auditor"))
    )


def _differences(admin: Kubectl, namespace: str, manifest: str, *options: str) -> str:
    done = admin.attempt("-n", namespace, "diff", *options, "-f", "-", stdin=manifest)
    assert done.returncode in {0, 1}, done.stderr
    assert bool(done.returncode) == bool(done.stdout), done
    return done.stdout
