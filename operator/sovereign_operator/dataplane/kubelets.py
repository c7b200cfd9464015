"""How the sidecar serves a kubelet's probes and hooks of the application.

A kubelet has no certificate, so the port of a probe is open to any client in plaintext. Therefore nothing of a client's
request reaches the application, and nothing of the application's answer reaches the client. The sidecar sends a request
of its own, which was fixed when the pod was injected, and answers with the status alone. A Lua script in Envoy writes
both.
"""

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import unquote_to_bytes

from sovereign_operator.core.sidecar.contract import Probe, ProbeKind
from sovereign_operator.dataplane.envoy import Json, extension

HEALTH_CHECK: Final = "/grpc.health.v1.Health/Check"
HOOK_AGENT: Final = "kube-lifecycle/"
"""The prefix of a kubelet's User-Agent when it runs a hook."""
HOOK_CALLER: Final = f"{HOOK_AGENT}1"
PROBE_CALLER: Final = "kube-probe/1"
"""The sidecar's User-Agent. A client could send data to the application in the version of a kubelet's User-Agent."""

BARE_GET: Final[list[Json]] = [
    {"name": ":method", "string_match": {"exact": "GET"}},
    {"name": "content-length", "present_match": True, "invert_match": True},
]
"""Matches a GET without content, as kubelets send it. The script refuses chunked content, which has no length."""

NO_ANSWER: Final = ": no answer"
"""A Location that is no URL. An application that sends it has its own hook fail."""

UNSENT: Final = frozenset({"content-length", "transfer-encoding", "trailer"})
"""The headers of a probe that a kubelet does not send, since it sends no content: Go's HTTP client leaves them out.
An application that got one would wait for content."""

_SIMPLE: Final = re.compile(rb"[A-Za-z0-9/._-]")

_CLEAN: Final = """\
local function clean(headers)
  local names = {}
  for name, _ in pairs(headers) do
    if string.sub(name, 1, 1) ~= ":" then names[#names + 1] = name end
  end
  for _, name in ipairs(names) do headers:remove(name) end
end
"""

_ASK_BY_HTTP: Final = """\
function envoy_on_request(handle)
  local headers = handle:headers()
  local hook = string.sub(headers:get("user-agent") or "", 1, #HOOK_AGENT) == HOOK_AGENT
  if headers:get(":method") ~= "GET" or handle:body() then
    handle:respond({[":status"] = "400"}, "")
    return
  end
  clean(headers)
  headers:replace(":authority", HOST or handle:streamInfo():downstreamLocalAddress())
  headers:add("user-agent", hook and HOOK_CALLER or PROBE_CALLER)
  for _, header in ipairs(HEADERS) do
    if header[1] == "user-agent" then headers:remove("user-agent") end
    headers:add(header[1], header[2])
  end
end

function envoy_on_response(handle)
  local nowhere = handle:headers():get("location") == NO_ANSWER
  clean(handle:headers())
  if nowhere then handle:headers():add("location", NO_ANSWER) end
  for chunk in handle:bodyChunks() do chunk:setBytes("") end
end
"""

_ASK_BY_GRPC: Final = """\
function envoy_on_request(handle)
  local headers = handle:headers()
  clean(headers)
  headers:replace(":authority", handle:streamInfo():downstreamLocalAddress())
  headers:add("content-type", "application/grpc")
  headers:add("te", "trailers")
  headers:add("user-agent", PROBE_CALLER)
  handle:body(true):setBytes(QUESTION)
  if handle:trailers() then clean(handle:trailers()) end
end

local function status(headers)
  local found = headers:get("grpc-status")
  clean(headers)
  if found then
    if not string.match(found, "^1?%d$") then found = "2" end
    headers:add("grpc-status", found)
  end
end

function envoy_on_response(handle)
  local headers = handle:headers()
  status(headers)
  headers:add("content-type", "application/grpc")
  local body = handle:body(true)
  if body:length() > 0 then
    body:setBytes(body:getBytes(0, body:length()) == SERVING and SERVING or NOT_SERVING)
  end
  if handle:trailers() then status(handle:trailers()) end
end
"""


def match_of(probe: Probe) -> Json:
    """Return the only request that the port of a probe accepts: exactly the kubelet's."""
    if probe.kind is ProbeKind.GRPC:
        return {"path": HEALTH_CHECK, "headers": [{"name": ":method", "string_match": {"exact": "POST"}}]}
    whole = {"name": ":path", "string_match": {"exact": probe.path}}
    return {"path": probe.path.partition("?")[0], "headers": [whole, *BARE_GET]}


def rewrite_filter(probe: Probe) -> Json:
    """Return the filter that replaces a client's request with the sidecar's own, and an answer with its status."""
    if probe.kind is ProbeKind.GRPC:
        constants, script = _grpc_constants(probe), _ASK_BY_GRPC
    else:
        constants, script = _http_constants(probe), _ASK_BY_HTTP
    source = "".join((*(f"local {name} = {value}\n" for name, value in constants.items()), _CLEAN, script))
    kind = "envoy.extensions.filters.http.lua.v3.Lua"
    # The route was chosen by the client's request, and stays when the script replaces that.
    code = {"inline_string": source}
    return extension("envoy.filters.http.lua", kind, default_source_code=code, clear_route_cache=False)


def unanswered_hook() -> Json:
    """Return the reply configuration that makes a hook fail if the application does not answer.

    A kubelet takes any answer to a hook for success, even an error that Envoy makes up. But it fails on a redirect to a
    Location that is no URL.
    """
    hook = {"header": {"name": "user-agent", "string_match": {"prefix": HOOK_AGENT}}}
    location = {"header": {"key": "location", "value": NO_ANSWER}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
    return {"mappers": [{"filter": {"header_filter": hook}, "status_code": 302, "headers_to_add": [location]}]}


def _http_constants(probe: Probe) -> Mapping[str, str]:
    headers = [(name.lower(), value) for name, value in probe.headers if name.lower() not in UNSENT]
    host = next((value for name, value in headers if name == "host"), "")
    # As a kubelet does: it sends "Accept: */*" by default, and omits Accept or User-Agent if the probe sets it empty.
    if not any(name == "accept" for name, _ in headers):
        headers.append(("accept", "*/*"))
    kept = [
        (name, value) for name, value in headers if name != "host" and (value or name not in {"accept", "user-agent"})
    ]
    pairs = ", ".join(f"{{{_literal(name.encode())}, {_literal(value.encode())}}}" for name, value in kept)
    return {
        "HOOK_AGENT": _literal(HOOK_AGENT.encode()),
        "HOOK_CALLER": _literal(HOOK_CALLER.encode()),
        "PROBE_CALLER": _literal(PROBE_CALLER.encode()),
        "NO_ANSWER": _literal(NO_ANSWER.encode()),
        "HOST": _literal(host.encode()) if host else "nil",
        "HEADERS": f"{{{pairs}}}",
    }


def _grpc_constants(probe: Probe) -> Mapping[str, str]:
    service = unquote_to_bytes(probe.path.removeprefix("/"))
    question = b"\x0a" + _varint(len(service)) + service if service else b""
    return {
        "PROBE_CALLER": _literal(PROBE_CALLER.encode()),
        "QUESTION": _literal(_message(question)),
        "SERVING": _literal(_message(b"\x08\x01")),
        "NOT_SERVING": _literal(_message(b"\x08\x02")),
    }


def _message(content: bytes) -> bytes:
    """Return a gRPC message: a zero for uncompressed, its length, and its content."""
    return b"\0" + len(content).to_bytes(4, "big") + content


def _varint(number: int) -> bytes:
    varint = bytearray()
    while number > 0x7F:  # noqa: PLR2004 - seven bits a byte
        varint.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*varint, number])


def _literal(text: bytes) -> str:
    """Return a Lua string literal, in which all but a few plain characters are escaped."""
    return '"' + "".join(chr(byte) if _SIMPLE.match(bytes([byte])) else f"\\{byte:03d}" for byte in text) + '"'
