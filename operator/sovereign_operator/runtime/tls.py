"""Serving over TLS with a certificate that changes while the process runs."""

import os
import ssl

from sovereign_operator.pki.serving import Serving


def server_context() -> ssl.SSLContext:
    """Return a context for new connections, which has no certificate yet: see ``load``."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    return context


def load(context: ssl.SSLContext, serving: Serving) -> None:
    """Use a certificate for new connections. OpenSSL reads it from a file: one in memory, as no disk is writable."""
    descriptor = os.memfd_create("tls")
    try:
        with open(descriptor, "wb", closefd=False) as file:
            file.write(serving.key_pem + serving.chain_pem)
        context.load_cert_chain(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)
