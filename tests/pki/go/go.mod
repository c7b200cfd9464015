module sovereignty.dev/tests/pki

go 1.26.0
