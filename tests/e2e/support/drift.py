"""Whether a workload differs from its manifest, as tools that apply it see it."""

from hack.kubectl import Kubectl


def drift(admin: Kubectl, namespace: str, manifest: str) -> str:
    """Return how the cluster differs from a manifest, seen in both ways that there are."""
    # Under its usual name kubectl would keep its own annotation up to date, and show that.
    return "".join(
        _differences(admin, namespace, manifest, *options)
        for options in ((), ("--server-side", "--force-conflicts", "--field-manager=auditor"))
    )


def _differences(admin: Kubectl, namespace: str, manifest: str, *options: str) -> str:
    done = admin.attempt("-n", namespace, "diff", *options, "-f", "-", stdin=manifest)
    assert done.returncode in {0, 1}, done.stderr
    assert bool(done.returncode) == bool(done.stdout), done
    return done.stdout
