module sovereignty.dev/tests/dataplane

go 1.26.0
