"""The least that placement by admission could be: one policy that writes a nodeSelector entry, one that checks it.

Both are native admission policies, for namespaces with a label of the benchmarks. They ask for nothing, and look at no
other field: what ours cost beyond them is what ours do beyond them.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from hack.bench.away import there
from hack.kubectl import Json, Kubectl

LABEL: Final = "bench.example.org/lean"
"""Of the namespaces; and the entry that is written."""
NAME: Final = "bench-lean"
MESSAGE: Final = "not placed by the lean policy"
VERSION: Final = "admissionregistration.k8s.io/v1"

WRITES: Final = f"""\
!has(object.spec.nodeSelector) ? [JSONPatch{{op: 'add', path: '/spec/nodeSelector', value: {{'{LABEL}': 'true'}}}}]
: '{LABEL}' in object.spec.nodeSelector ? []
: [JSONPatch{{op: 'add', path: '/spec/nodeSelector/' + jsonpatch.escapeKey('{LABEL}'), value: 'true'}}]"""
CHECKS: Final = f"object.spec.?nodeSelector[?'{LABEL}'].orValue('') == 'true'"


def manifests() -> tuple[Json, ...]:
    """Return the two policies, and the bindings that put them into effect."""
    rules = [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}]
    matched = {"namespaceSelector": {"matchLabels": {LABEL: "true"}}, "resourceRules": rules}
    writes = {
        "failurePolicy": "Fail",
        "reinvocationPolicy": "Never",
        "matchConstraints": matched,
        "mutations": [{"patchType": "JSONPatch", "jsonPatch": {"expression": WRITES}}],
    }
    checks = {
        "failurePolicy": "Fail",
        "matchConstraints": matched,
        "validations": [{"expression": CHECKS, "message": MESSAGE}],
    }
    return (
        _manifest("MutatingAdmissionPolicy", writes),
        _manifest("MutatingAdmissionPolicyBinding", {"policyName": NAME}),
        _manifest("ValidatingAdmissionPolicy", checks),
        _manifest("ValidatingAdmissionPolicyBinding", {"policyName": NAME, "validationActions": ["Deny"]}),
    )


@contextmanager
def installed(admin: Kubectl) -> Iterator[None]:
    """Install both policies, and delete them at the end. The API server follows a moment later."""
    with there(admin, *manifests()):
        yield


def _manifest(kind: str, spec: Json) -> Json:
    return {"apiVersion": VERSION, "kind": kind, "metadata": {"name": NAME}, "spec": spec}
