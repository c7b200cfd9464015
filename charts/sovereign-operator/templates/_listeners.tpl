{{/*
What Envoy's listeners are made of, as dataplane/listeners.py writes them. With somebody else's listeners, Envoy would run any
program. So admission/guard-controller-marks.yaml lets the controller's token write only listeners that consist of these pieces:

  1. It removes the indentation.
  2. It replaces each piece with the name that stands above the piece here: <match>, for example. (namePieces)
  3. Only names, a few kinds of values, and brackets and commas may be left. (namedPieces)

A name that ends in =, as <at=>, has a value after it. Quotes come in pairs within a piece, so that the quotes of two other pieces
never enclose one. Pieces are separated by an empty line. Those that occur most often come first: each replacement costs by the
length of the text, and the text becomes shorter. tests/chart/test_orders.py has the guard's rule judge what the code writes.
*/}}
{{- define "sovereign-operator.listenerPieces" -}}
<to=>
"action": {
  "name": "chain",
  "typed_config": {
    "@type": "type.googleapis.com/google.protobuf.StringValue",
    "value":

<at=>
"ranges": [
  {
    "address_prefix":

<bits=>
"prefix_len":

<match>
"on_match": {

<otherwise>
"on_no_match": {

<matcher>
"matcher": {

<ports>
"matcher_tree": {
  "input": {
    "name": "DestinationPortInput",
    "typed_config": {
      "@type": "type.googleapis.com/envoy.extensions.matching.common_inputs.network.v3.DestinationPortInput"
    }
  },
  "exact_match_map": {
    "map": {

<inbound-excepted>
"filters": [
  {
    "name": "envoy.filters.network.tcp_proxy",
    "typed_config": {
      "@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
      "stat_prefix": "inbound-excepted",
      "cluster": "inbound-excepted",
      "idle_timeout": "0s"

<inbound-plain>
"filters": [
  {
    "name": "envoy.filters.network.tcp_proxy",
    "typed_config": {
      "@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
      "stat_prefix": "inbound-plain",
      "cluster": "inbound-plain",
      "idle_timeout": "0s"

<inbound-mtls>
"filters": [
  {
    "name": "envoy.filters.network.tcp_proxy",
    "typed_config": {
      "@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
      "stat_prefix": "inbound-mtls",
      "cluster": "inbound-mtls",
      "idle_timeout": "0s"

<outbound-mtls>
"filters": [
  {
    "name": "envoy.filters.network.tcp_proxy",
    "typed_config": {
      "@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
      "stat_prefix": "outbound-mtls",
      "cluster": "outbound-mtls",
      "idle_timeout": "0s"

<outbound-plain>
"filters": [
  {
    "name": "envoy.filters.network.tcp_proxy",
    "typed_config": {
      "@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
      "stat_prefix": "outbound-plain",
      "cluster": "outbound-plain",
      "idle_timeout": "0s"

<protocol>
"matcher_tree": {
  "input": {
    "name": "ApplicationProtocolInput",
    "typed_config": {
      "@type": "type.googleapis.com/envoy.extensions.matching.common_inputs.network.v3.ApplicationProtocolInput"
    }
  },
  "exact_match_map": {
    "map": {
      "'sovereign/1'": {

<source>
"matcher_tree": {
  "input": {
    "name": "SourceIPInput",
    "typed_config": {
      "@type": "type.googleapis.com/envoy.extensions.matching.common_inputs.network.v3.SourceIPInput"
    }
  },

<destination>
"matcher_tree": {
  "input": {
    "name": "DestinationIPInput",
    "typed_config": {
      "@type": "type.googleapis.com/envoy.extensions.matching.common_inputs.network.v3.DestinationIPInput"
    }
  },

<ip>
"custom_match": {
  "name": "ip",
  "typed_config": {
    "@type": "type.googleapis.com/xds.type.matcher.v3.IPMatcher",
    "range_matchers": [

<resources>
"resources": [

<note>
"name": "envoy.filters.listener.set_filter_state",
"typed_config": {
  "@type": "type.googleapis.com/envoy.extensions.filters.listener.set_filter_state.v3.Config",
  "on_accept": [
    {
      "object_key": "sovereignty.peer",
      "factory_key": "envoy.string",
      "format_string": {
        "text_format_source": {
          "inline_string": "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%"
        }
      }
    }
  ]
},
"filter_disabled": {
  "destination_port_range": {
    "start": 15006,
    "end": 15007
  }

<go-on>
"name": "envoy.filters.listener.set_filter_state",
"typed_config": {
  "@type": "type.googleapis.com/envoy.extensions.filters.listener.set_filter_state.v3.Config",
  "on_accept": [
    {
      "object_key": "envoy.network.transport_socket.original_dst_address",
      "format_string": {
        "text_format_source": {
          "inline_string": "%FILTER_STATE(sovereignty.peer:PLAIN)%:%DOWNSTREAM_LOCAL_PORT%"
        }
      }
    },
    {
      "object_key": "envoy.network.transport_socket.original_dst_address",
      "format_string": {
        "text_format_source": {
          "inline_string": "[%FILTER_STATE(sovereignty.peer:PLAIN)%]:%DOWNSTREAM_LOCAL_PORT%"
        }
      }
    }
  ]

<unlooked>
"filter_disabled": {

<or>
"or_match": {
  "rules": [

<skip=>
"destination_port_range": {
  "start":

<tls>
"transport_socket": {
  "name": "envoy.transport_sockets.tls",
  "typed_config": {
    "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
    "require_client_certificate": true,
    "common_tls_context": {
      "tls_params": {
        "tls_minimum_protocol_version": "TLSv1_3",
        "tls_maximum_protocol_version": "TLSv1_3"
      },
      "alpn_protocols": [
        "sovereign/1"
      ],
      "tls_certificate_sds_secret_configs": [
        {
          "name": "certificate",
          "sds_config": {
            "path_config_source": {
              "path": "/run/sovereignty/run/certificate.json"
            },
            "resource_api_version": "V3"
          }
        }
      ],
      "validation_context_sds_secret_config": {
        "name": "trust",
        "sds_config": {
          "path_config_source": {
            "path": "/run/sovereignty/run/trust.json"
          },
          "resource_api_version": "V3"
        }
      }
    },
    "disable_stateless_session_resumption": true,
    "disable_stateful_session_resumption": true
  }
},
"transport_socket_connect_timeout": "10s"

<outbound>
"@type": "type.googleapis.com/envoy.config.listener.v3.Listener",
"name": "outbound",
"address": {
  "socket_address": {
    "address": "::",
    "port_value": 15001,
    "ipv4_compat": true
  }
},
"enable_reuse_port": false,
"listener_filters_timeout": "1s",

<inbound>
"@type": "type.googleapis.com/envoy.config.listener.v3.Listener",
"name": "inbound",
"address": {
  "socket_address": {
    "address": "::",
    "port_value": 15006,
    "ipv4_compat": true
  }
},
"enable_reuse_port": false,
"listener_filters_timeout": "1s",

<near>
"per_connection_buffer_limit_bytes": 32768,
"socket_options": [
  {
    "level": 1,
    "name": 7,
    "int_value": 65536
  },
  {
    "level": 1,
    "name": 8,
    "int_value": 65536

<far>
"per_connection_buffer_limit_bytes": 32768,
"socket_options": [
  {
    "level": 1,
    "name": 7,
    "int_value": 131072
  },
  {
    "level": 1,
    "name": 8,
    "int_value": 131072

<urgent>
"level": 1,
"name": 10,
"int_value": 1

<look>
"continue_on_listener_filters_timeout": true,
"listener_filters": [

<original>
"name": "envoy.filters.listener.original_dst",
"typed_config": {
  "@type": "type.googleapis.com/envoy.extensions.filters.listener.original_dst.v3.OriginalDst"

<inspect>
"name": "envoy.filters.listener.tls_inspector",
"typed_config": {
  "@type": "type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector"
}

<chains>
"filter_chains": [

<match-chains>
"filter_chain_matcher": {

<keepalive>
"tcp_keepalive": {
  "keepalive_time": 10,
  "keepalive_interval": 5,
  "keepalive_probes": 2
}

<after-handshake>
"upstream_connect_mode": "ON_DOWNSTREAM_TLS_HANDSHAKE",
"max_early_data_bytes": 0

<also>
"additional_addresses": [
  {
    "address": {
      "socket_address": {
        "address": "::",
        "port_value": 15007,
        "ipv4_compat": true
      }
{{- end }}

{{/*
CEL that replaces pieces with their names, in a text without indentation. Takes CEL for the text, and the numbers of the first
piece and of the one after the last, as one expression for all pieces would cost more than the API server allows.
*/}}
{{- define "sovereign-operator.namePieces" -}}
{{- $pieces := splitList "\n\n" (regexReplaceAll "\n +" (include "sovereign-operator.listenerPieces" .) "\n") -}}
{{ index . 0 }}
{{- range slice $pieces (index . 1) (min (index . 2) (len $pieces)) -}}
{{- $lines := splitn "\n" 2 . -}}
.replace({{ toJson $lines._1 }}, {{ toJson $lines._0 }})
{{- end -}}
{{- end }}

{{/* A regular expression for what may be left after that: names of pieces, values, and what holds them together. */}}
{{- define "sovereign-operator.namedPieces" -}}
{{- $values := list `(?:<to=>|"name":) "(?:plain|mtls(?:-[0-9]+)?|excepted-[0-9a-f.:/]+)"` `<at=> "[0-9a-f.:]+"` `<bits=> [0-9]{1,3}` -}}
{{- $values = concat $values (list `"[0-9]{1,5}": \{` `<skip=> [0-9]{1,5}` `"end": [0-9]{1,5}`) -}}
{{- $values = concat $values (list `"version_info": "[0-9a-f]{16}"` `"max_downstream_connection_duration": "[0-9]+s"`) -}}
^(?:[\s{}\[\],]|<[a-z-]+>|{{ join "|" $values }})*$
{{- end }}
