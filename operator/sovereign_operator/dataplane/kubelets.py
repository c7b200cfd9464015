"""How the sidecar answers what a kubelet asks of an application.

The port of a probe is open to everybody in plaintext, as a kubelet has no certificate. So nothing that comes in
there goes on to the application, and nothing that it answers comes out: the sidecar asks with a request of its own,
which was fixed when the pod was injected, and answers with a status alone. A script in Envoy makes both of these.
"""

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import unquote_to_bytes

from sovereign_operator.core.sidecar.contract import Probe, ProbeKind
from sovereign_operator.dataplane.envoy import Json, extension

HEALTH_CHECK: Final = "/grpc.health.v1.Health/Check"
HOOK_AGENT: Final = "kube-lifecycle/"
"""How a kubelet calls itself when it runs a hook."""
HOOK_CALLER: Final = f"{HOOK_AGENT}1"
PROBE_CALLER: Final = "kube-probe/1"
"""How the sidecar calls itself. Strangers could say something by the version of a kubelet."""

NOTHING_BUT_A_LOOK: Final[list[Json]] = [
    {"name": ":method", "string_match": {"exact": "GET"}},
    {"name": "content-length", "present_match": True, "invert_match": True},
]
"""What kubelets ask with, and all that may be asked with HTTP, of which content in pieces comes to the script."""

NO_ANSWER: Final = ": no answer"
"""A location that is no URL. An application that says the same has its own hook fail."""

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
    """Return what may be asked at the port of a probe: what its kubelet asks, to the letter."""
    if probe.kind is ProbeKind.GRPC:
        return {"path": HEALTH_CHECK, "headers": [{"name": ":method", "string_match": {"exact": "POST"}}]}
    whole = {"name": ":path", "string_match": {"exact": probe.path}}
    return {"path": probe.path.partition("?")[0], "headers": [whole, *NOTHING_BUT_A_LOOK]}


def own_words(probe: Probe) -> Json:
    """Return the filter that has the sidecar ask in its own words, and answer with a status."""
    if probe.kind is ProbeKind.GRPC:
        words, script = _grpc_words(probe), _ASK_BY_GRPC
    else:
        words, script = _http_words(probe), _ASK_BY_HTTP
    source = "".join((*(f"local {name} = {value}\n" for name, value in words.items()), _CLEAN, script))
    kind = "envoy.extensions.filters.http.lua.v3.Lua"
    # What may be asked was decided before, by what was asked.
    code = {"inline_string": source}
    return extension("envoy.filters.http.lua", kind, default_source_code=code, clear_route_cache=False)


def no_answer() -> Json:
    """Return what makes a hook fail that nobody answers.

    To a kubelet any answer to a hook is a good one, as ours would be, which says that there is none. But one that leads
    to what is no URL is an error to it.
    """
    hook = {"header": {"name": "user-agent", "string_match": {"prefix": HOOK_AGENT}}}
    location = {"header": {"key": "location", "value": NO_ANSWER}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
    return {"mappers": [{"filter": {"header_filter": hook}, "status_code": 302, "headers_to_add": [location]}]}


def _http_words(probe: Probe) -> Mapping[str, str]:
    headers = [(name.lower(), value) for name, value in probe.headers]
    host = next((value for name, value in headers if name == "host"), "")
    # As a kubelet does: it accepts everything unless it is told otherwise, and an empty value takes a header away.
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


def _grpc_words(probe: Probe) -> Mapping[str, str]:
    service = unquote_to_bytes(probe.path.removeprefix("/"))
    asked = b"\x0a" + _varint(len(service)) + service if service else b""
    return {
        "PROBE_CALLER": _literal(PROBE_CALLER.encode()),
        "QUESTION": _literal(_message(asked)),
        "SERVING": _literal(_message(b"\x08\x01")),
        "NOT_SERVING": _literal(_message(b"\x08\x02")),
    }


def _message(content: bytes) -> bytes:
    """Return a message of gRPC: not compressed, its length, and what it says."""
    return b"\0" + len(content).to_bytes(4, "big") + content


def _varint(number: int) -> bytes:
    found = bytearray()
    while number > 0x7F:  # noqa: PLR2004 - seven bits a byte
        found.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*found, number])


def _literal(text: bytes) -> str:
    """Return a string of Lua in which nothing has a meaning of its own."""
    return '"' + "".join(chr(byte) if _SIMPLE.match(bytes([byte])) else f"\\{byte:03d}" for byte in text) + '"'
