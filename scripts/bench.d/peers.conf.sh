# What is compared: each peer's lines of the main context and of http. Sourced by scripts/bench.
# $ROOT, $work, $cloud_port and $modules (NGINX's directory of modules) are set.

module="load_module $ROOT/build/ngx_http_api_sessions_module.so;"
sessions="api_sessions on; session_key request.cookie.sid; context_param request.query.u name=u;"
export="api_sessions_export http://127.0.0.1:$cloud_port token_file=$work/cloud/ingest.token node=bench;"

# NGINX's own log of the same fields, buffered.
log='log_format summary escape=json '"'"'{"id":"$request_id","ts":"$msec","node":"bench","session":"$cookie_sid","ip":"$remote_addr","ua":"$http_user_agent","host":"$host","method":"$request_method","path":"$uri","proto":"$server_protocol","scheme":"$scheme","status":"$status","time":"$request_time","upstream":"$upstream_response_time","request_bytes":"$request_length","response_bytes":"$bytes_sent","u":"$arg_u"}'"'"';'

# A key and a table alone.
limit_req='limit_req_zone $cookie_sid zone=sessions:16m rate=1000000r/s; limit_req zone=sessions burst=1000000 nodelay;'

# The same work in Lua: key, counter in shared memory, JSON, batches to the cloud from a timer.
lua='lua_shared_dict sessions 16m; lua_shared_dict out 1m;
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
      if socket:connect("127.0.0.1", CLOUD_PORT) then
        socket:send("POST /v1/records HTTP/1.1\r\nHost: cloud\r\nAuthorization: Bearer CLOUD_TOKEN\r\nContent-Type: application/x-ndjson\r\nContent-Length: " .. #body .. "\r\n\r\n" .. body)
        socket:receive("*l")
        socket:setkeepalive(0, 1)
      end
      sending = false
    end)
  end
}'

# A WAF with a collection of sessions, and no other rule.
modsecurity="modsecurity on; modsecurity_rules '
SecRuleEngine On
SecAction \"id:1,phase:1,nolog,pass,setsid:%{REQUEST_COOKIES.sid}\"
SecAction \"id:2,phase:1,nolog,pass,setvar:SESSION.requests=+1\"
';"

add_peers() {
    serve bare "" ""
    serve access_log "" "$log access_log $work/access.json summary buffer=64k flush=1s;"
    serve limit_req "" "$limit_req"
    serve module "$module" "$sessions"
    serve export "$module" "$sessions $export"
    serve detect "$module" "$sessions $export api_sessions_detect on;"
    if [ -z "$quick" ] && [ -e "$modules/ngx_http_lua_module.so" ]; then
        local text=${lua//CLOUD_PORT/$cloud_port}
        serve lua "load_module $modules/ndk_http_module.so; load_module $modules/ngx_http_lua_module.so;" \
            "${text//CLOUD_TOKEN/$(cat "$work/cloud/ingest.token")}"
    fi
    if [ -z "$quick" ] && [ -e "$modules/ngx_http_modsecurity_module.so" ]; then
        serve modsecurity "load_module $modules/ngx_http_modsecurity_module.so;" "$modsecurity"
    fi
}
