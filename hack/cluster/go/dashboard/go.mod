// check-dashboard (main.go), with the types that Grafana generates from its dashboard schema.
module sovereignty.dev/hack/cluster/check-dashboard

go 1.26.0

godebug default=go1.26

tool sovereignty.dev/hack/cluster/check-dashboard

require github.com/grafana/grafana-foundation-sdk/go v0.0.22
