"""Runs the loads against the peers in interleaved rounds. Called by scripts/bench, which installs what it needs.

    main.py NGINX MODULE CLOUD quick|full table|json
"""
import json
import os
import platform
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import cloud
import instructions
import loads
import peers
import report
from nginx import Nginx, free_port

BINARY, MODULE, CLOUD, SIZE, FORMAT = sys.argv[1:6]
QUICK = SIZE == "quick"
BEGUN = time.monotonic()
# Seconds for queued records to be sent and counted before the CPU time is read again.
SETTLE = 1.2


def say(text):
    print(f"\033[1m==> [{time.monotonic() - BEGUN:4.0f}s] {text}\033[0m", file=sys.stderr, flush=True)


def locations(name, upstream_port):
    own = "location = /bench-status { api_sessions off; api_sessions_status; }" if peers.is_ours(name) else ""
    return f"""location / {{ empty_gif; }} {own}
        location /proxied {{ proxy_pass http://api; proxy_http_version 1.1; proxy_set_header Connection ""; }}"""


def dropped_and_sessions(server):
    status = server.status()
    flat = {}
    def walk(node):
        for key, value in node.items():
            walk(value) if isinstance(value, dict) else flat.__setitem__(key, value)
    walk(status)
    drops = sum(value for key, value in flat.items() if key.startswith("records_dropped"))
    return drops, (flat["sessions_in_use"], flat["sessions_capacity"]), flat


def measure(load, server, work, seconds):
    before = server.cpu()
    requests, latency = load.run(server, work, seconds)
    time.sleep(SETTLE)
    rss, private = server.rss_kb()
    found = {"cpu_us": (server.cpu() - before) / requests * 1e6, "requests": requests, "latency": latency,
             "rss_kb": rss, "private_kb": private}
    if peers.is_ours(server.name):
        drops, found["sessions"], flat = dropped_and_sessions(server)
        if flat.get("records_sent_total"):
            found["exported_bytes"] = flat["records_sent_bytes_total"] / flat["records_sent_total"]
        if drops:
            found["dropped"] = drops
    return found


def run_load(load, work, fill, upstream_port, counted):
    say(f"{load.name}: {load.rounds} rounds for each of {', '.join(load.peers)}")
    servers, seconds = {}, 2 if QUICK else 3
    api = f"upstream api {{ server 127.0.0.1:{upstream_port}; keepalive 16; }}\n"
    try:
        for name in load.peers:
            main, http = peers.text(name, fill | {"zone": load.zone})
            servers[name] = Nginx(BINARY, work, name, main, api + http, locations(name, upstream_port),
                                  load.workers, load.h2)
        for name in counted:
            server = servers[name]
            counts[name] = instructions.a_request(BINARY, server.conf, server.port, free_port())
        if load.sessions > 100000:
            for server in servers.values():
                load.run(server, work, 8)
        return [{name: measure(load, server, work, seconds) for name, server in servers.items()}
                for _ in range(load.rounds)]
    finally:
        for server in servers.values():
            server.stop()


counts = {}
with tempfile.TemporaryDirectory() as work:
    os.chmod(work, 0o755)
    peers.prepare(work)
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                    "-keyout", f"{work}/tls.key", "-out", f"{work}/tls.pem"], check=True, stderr=subprocess.DEVNULL)
    answer = "x" * 1024
    sink = Nginx(BINARY, work, "sink", locations=peers.SINK)
    upstream = Nginx(BINARY, work, "upstream", locations=f'location / {{ return 200 "{answer}"; }}')
    fill = {"work": work, "sink": f"http://127.0.0.1:{sink.port}", "sink_port": sink.port, "module": MODULE}
    model = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "")
    version = subprocess.run([BINARY, "-v"], capture_output=True, text=True).stderr.strip()
    whole = {"machine": f"{platform.machine()}, {os.cpu_count()} processors, {model}; {version}", "loads": {}}
    try:
        for load in (loads.quick() if QUICK else loads.full()):
            counted = ["bare", "access_log", "export"] if QUICK else load.peers
            rounds = run_load(load, work, fill, upstream.port, counted if load.name == "tiny" else [])
            whole["loads"][load.name] = report.of_load(load, rounds, counts if load.name == "tiny" else {})
    finally:
        upstream.stop()
        sink.stop()
    if not QUICK:
        whole["cloud"] = cloud.figures(CLOUD, work, say, [1_000_000, 10_000_000])
        whole["cloud_bars"] = report.of_cloud(whole["cloud"])

if FORMAT == "json":
    json.dump(whole, sys.stdout, indent=1)
    print()
else:
    report.show(whole)
