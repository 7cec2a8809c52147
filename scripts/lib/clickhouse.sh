# ClickHouse servers for tests, on loopback, stopped by process id. Sourced, not run; needs common.sh.

clickhouse_pid= clickhouse_cluster=

# write_clickhouse DIR HOST HTTP TCP [REMOTE_SERVERS]: writes the files of a Debian ClickHouse server (18.16), and
# DIR/start, which runs it and writes its process id to DIR/pid.
write_clickhouse() {
    local dir=$1 host=$2 http=$3 tcp=$4 remote_servers=${5:-}
    mkdir -p "$dir/data" "$dir/tmp"
    cat >"$dir/config.xml" <<XML
<?xml version="1.0"?>
<yandex>
    <logger><level>warning</level><log>$dir/log</log><errorlog>$dir/err</errorlog></logger>
    <listen_host>$host</listen_host><http_port>$http</http_port><tcp_port>$tcp</tcp_port>
    <path>$dir/data/</path><tmp_path>$dir/tmp/</tmp_path><mark_cache_size>67108864</mark_cache_size>
    <users_config>$dir/users.xml</users_config>
    <default_profile>default</default_profile><default_database>default</default_database>
    $remote_servers
</yandex>
XML
    cat >"$dir/users.xml" <<XML
<?xml version="1.0"?>
<yandex>
    <profiles><default></default></profiles>
    <users><default>
        <password></password><networks><ip>127.0.0.0/8</ip></networks>
        <profile>default</profile><quota>default</quota>
    </default></users>
    <quotas><default></default></quotas>
</yandex>
XML
    cat >"$dir/start" <<SH
#!/bin/sh
echo \$\$ >"$dir/pid"
PATH=\$PATH:/usr/sbin exec clickhouse-server --config-file="$dir/config.xml" >>"$dir/out" 2>&1 </dev/null
SH
    chmod +x "$dir/start"
}

# Starts a single server. Sets clickhouse_pid and clickhouse_url.
start_clickhouse() {
    local dir=$1 http
    http=$(free_port)
    write_clickhouse "$dir" 127.0.0.1 "$http" "$(free_port)"
    "$dir/start" &
    clickhouse_pid=$! clickhouse_url=http://127.0.0.1:$http
    wait_for_url "$clickhouse_url/" "$clickhouse_pid" || { cat "$dir/out" "$dir/err" >&2; die "ClickHouse did not start"; }
}

# Starts four servers without a Keeper, two shards of two replicas, in DIR/1 to DIR/4. They listen on 127.0.0.2 to
# 127.0.0.5 with the same ports, as the servers of a cluster do; each would take 127.0.0.1 for itself. The cluster is
# called main. Sets clickhouse_url and clickhouse_cluster.
start_clickhouse_cluster() {
    local dir=$1 http tcp n shards=
    http=$(free_port) tcp=$(free_port)
    for n in 1 2 3 4; do
        case $n in 1 | 3) shards+='<shard><internal_replication>false</internal_replication>' ;; esac
        shards+="<replica><host>127.0.0.$((n + 1))</host><port>$tcp</port></replica>"
        case $n in 2 | 4) shards+='</shard>' ;; esac
    done
    clickhouse_cluster=$dir clickhouse_url=http://127.0.0.2:$http
    for n in 1 2 3 4; do
        write_clickhouse "$dir/$n" "127.0.0.$((n + 1))" "$http" "$tcp" "<remote_servers><main>$shards</main></remote_servers>"
        "$dir/$n/start" &
        wait_for_url "http://127.0.0.$((n + 1)):$http/" "$!" || { cat "$dir/$n/out" "$dir/$n/err" >&2; die "ClickHouse $n did not start"; }
    done
}

stop_clickhouse_cluster() {
    local pid
    [ -n "$clickhouse_cluster" ] || return 0
    for pid in "$clickhouse_cluster"/*/pid; do
        [ -e "$pid" ] && kill -TERM "$(cat "$pid")" 2>/dev/null || true
    done
    wait
    clickhouse_cluster=
}

# Starts the current ClickHouse engine, from PyPI. Fails if it cannot be installed.
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
    # It is ready once the port accepts connections; it does not implement GET.
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
