# A ClickHouse for tests, on loopback, ended by id: sourced, not run. Needs common.sh.

clickhouse_pid=

# Debian's server (18.16), with files of its own. Sets clickhouse_pid and clickhouse_url.
start_clickhouse() {
    local dir=$1 http tcp
    http=$(free_port) tcp=$(free_port)
    mkdir -p "$dir/data" "$dir/tmp"
    cat >"$dir/config.xml" <<XML
<?xml version="1.0"?>
<yandex>
    <logger><level>warning</level><log>$dir/log</log><errorlog>$dir/err</errorlog></logger>
    <listen_host>127.0.0.1</listen_host><http_port>$http</http_port><tcp_port>$tcp</tcp_port>
    <path>$dir/data/</path><tmp_path>$dir/tmp/</tmp_path><mark_cache_size>67108864</mark_cache_size>
    <users_config>$dir/users.xml</users_config>
    <default_profile>default</default_profile><default_database>default</default_database>
</yandex>
XML
    cat >"$dir/users.xml" <<XML
<?xml version="1.0"?>
<yandex>
    <profiles><default></default></profiles>
    <users><default>
        <password></password><networks><ip>127.0.0.1</ip></networks>
        <profile>default</profile><quota>default</quota>
    </default></users>
    <quotas><default></default></quotas>
</yandex>
XML
    PATH=$PATH:/usr/sbin clickhouse-server --config-file="$dir/config.xml" >"$dir/out" 2>&1 </dev/null &
    clickhouse_pid=$! clickhouse_url=http://127.0.0.1:$http
    wait_for_url "$clickhouse_url/" "$clickhouse_pid" || { cat "$dir/out" "$dir/err" >&2; die "ClickHouse did not start"; }
}

# Today's engine, from PyPI. Fails where that cannot be had.
start_chdb() {
    local dir=$1 venv=$ROOT/build/chdb port
    if ! "$venv/bin/python" -c 'import chdb' 2>/dev/null; then
        apt_install python3-venv
        rm -rf "$venv"
        python3 -m venv "$venv" && timeout 300 "$venv/bin/pip" install -q 'chdb-core>=26,<27' >&2 || return 1
    fi
    port=$(free_port)
    "$venv/bin/python" scripts/lib/chdb_server.py "$port" "$dir" >"$dir.out" 2>&1 </dev/null &
    clickhouse_pid=$! clickhouse_url=http://127.0.0.1:$port
    # It is there once it says of a GET that it takes none.
    for _ in $(seq 200); do
        (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && return 0
        kill -0 "$clickhouse_pid" 2>/dev/null || { cat "$dir.out" >&2; return 1; }
        sleep 0.1
    done
    return 1
}

stop_clickhouse() {
    [ -z "$clickhouse_pid" ] && return
    kill -TERM "$clickhouse_pid" 2>/dev/null || true
    wait "$clickhouse_pid" 2>/dev/null || true
    clickhouse_pid=
}
