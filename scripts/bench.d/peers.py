"""What is compared: each peer does the same work, as far as it can, with these lines of configuration.

A peer is (lines of the main context, lines of http). `{…}` is filled in by `text`.
"""
import os

MODULES = "/usr/lib/nginx/modules"

ACCESS_LOG = r"""log_format summary escape=json '{"id":"$request_id","ts":"$msec","node":"bench","session":"$cookie_sid","ip":"$remote_addr","ua":"$http_user_agent","host":"$host","method":"$request_method","path":"$uri","proto":"$server_protocol","scheme":"$scheme","status":"$status","time":"$request_time","upstream":"$upstream_response_time","request_bytes":"$request_length","response_bytes":"$bytes_sent","u":"$arg_u"}';
access_log {work}/access.json summary buffer=64k flush=1s;"""

# Only a key and a table.
LIMIT_REQ = """limit_req_zone $cookie_sid zone=sessions:{zone} rate=1000000r/s;
limit_req zone=sessions burst=1000000 nodelay;"""

SESSIONS = """api_sessions on; api_sessions_zone api_sessions:{zone};
session_key request.cookie.sid; context_param request.query.u name=u;"""
BODY_KEY = "session_key request.body.json.user.id name=user;"
EXPORT = "api_sessions_export {sink} token_file={work}/token node=bench queue=16m;"
SYNC = EXPORT.replace(";", " sync=on;")
OURS = "load_module {module};"

# Accepts and discards every batch: the cost of the node is measured, not the speed of a receiver. A poll gets a document
# without settings, byte by byte for some ten seconds: the cloud holds polls open as well.
SINK = """client_body_buffer_size 2m;
location / { return 200; }
location = /v1/sync { limit_rate 16; default_type application/json; return 200 '{"version":"1"}'; }"""

# A key, a counter in shared memory, JSON, and batches sent by a timer.
LUA = r"""lua_shared_dict sessions {zone};
init_worker_by_lua_block { queue = {}; sending = false }
log_by_lua_block {
  local v = ngx.var
  local key = v.cookie_sid or (v.remote_addr .. "\n" .. (v.http_user_agent or ""))
  local id = ngx.md5(key)
  ngx.shared.sessions:incr(id, 1, 0, 86400)
  queue[#queue + 1] = string.format("{\"id\":\"%s\",\"ts\":%d,\"node\":\"lua\",\"session\":\"%s\",\"key\":\"sid\",\"source\":\"key\",\"ip\":\"%s\",\"ua\":\"%s\",\"host\":\"%s\",\"method\":\"%s\",\"path\":\"%s\",\"proto\":\"%s\",\"scheme\":\"%s\",\"status\":%s,\"time_ms\":%d,\"request_bytes\":%s,\"response_bytes\":%s,\"params\":[{\"name\":\"u\",\"value\":\"%s\",\"type\":\"context\",\"hashed\":false}],\"denied\":false}",
    v.request_id, ngx.req.start_time() * 1000, id, v.remote_addr, (v.http_user_agent or ""):gsub("[%c\"\\]", ""), v.host, v.request_method, v.uri, v.server_protocol, v.scheme, v.status, v.request_time * 1000, v.request_length, v.bytes_sent, v.arg_u or "")
  if #queue >= 2000 and not sending then
    local batch = queue
    queue = {}
    sending = true
    ngx.timer.at(0, function()
      local body = table.concat(batch, "\n") .. "\n"
      local socket = ngx.socket.tcp()
      if socket:connect("127.0.0.1", {sink_port}) then
        socket:send("POST /v1/records HTTP/1.1\r\nHost: cloud\r\nContent-Type: application/x-ndjson\r\nContent-Length: " .. #body .. "\r\n\r\n" .. body)
        socket:receive("*l")
        socket:close()
      end
      sending = false
    end)
  end
}"""

# njs selects and hashes the key. It has neither counters in shared memory (in Debian 12) nor a way to send from the
# log phase, so NGINX's access_log writes the line.
NJS_CODE = """import crypto from 'crypto';
function session(r) {
  var key = r.variables.cookie_sid || r.remoteAddress + '\\n' + r.headersIn['User-Agent'];
  return crypto.createHash('md5').update(key).digest('hex');
}
export default { session };
"""
NJS = "js_path {work}; js_import sessions.js; js_set $session sessions.session;\n" + ACCESS_LOG.replace(
    '"session":"$cookie_sid"', '"session":"$session"')

# A WAF with a session collection and no other rules.
MODSECURITY = """modsecurity on; modsecurity_rules '
SecRuleEngine On
SecAction "id:1,phase:1,nolog,pass,setsid:%{REQUEST_COOKIES.sid}"
SecAction "id:2,phase:1,nolog,pass,setvar:SESSION.requests=+1"
';"""

ALL = {
    "bare": ("", ""),
    "access_log": ("", ACCESS_LOG),
    "limit_req": ("", LIMIT_REQ),
    "module": (OURS, SESSIONS),
    "export": (OURS, SESSIONS + EXPORT),
    # What key facts for the cloud cost is the difference between these two.
    "sync": (OURS, SESSIONS + SYNC),
    "no_facts": (OURS, SESSIONS + SYNC + "api_sessions_key_facts off;"),
    # What rules add to "export" is the difference.
    "rules": (OURS, SESSIONS + EXPORT + "session_rules default;"),
    "body_key": (OURS, SESSIONS + BODY_KEY + EXPORT),
    "detect": (OURS, SESSIONS + EXPORT + "api_sessions_detect on;"),
    "lua": (f"load_module {MODULES}/ndk_http_module.so; load_module {MODULES}/ngx_http_lua_module.so;", LUA),
    "njs": (f"load_module {MODULES}/ngx_http_js_module.so;", NJS),
    "modsecurity": (f"load_module {MODULES}/ngx_http_modsecurity_module.so;", MODSECURITY),
}


def is_ours(name):
    return ALL[name][0] == OURS


def text(name, fill):
    """Main and http lines of a peer; `fill` holds work, sink, sink_port, module and zone."""
    lines = []
    for part in ALL[name]:
        for key, value in fill.items():
            part = part.replace("{%s}" % key, str(value))
        lines.append(part)
    return lines


def prepare(work):
    with open(os.path.join(work, "sessions.js"), "w") as file:
        file.write(NJS_CODE)
    with open(os.path.join(work, "token"), "w") as file:
        file.write("bench\n")
