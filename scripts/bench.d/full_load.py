"""The full load: 70,000 requests a second of a million sessions on two workers, with the cloud on the same processors.
Does every record arrive, does memory stay flat, and what does the site feel? Called by scripts/bench.

    full_load.py NGINX MODULE CLOUD SECONDS table|json
"""
import json
import os
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from cloud import Cloud
from loads import Load
from nginx import Nginx

BINARY, MODULE, CLOUD, SECONDS, FORMAT = sys.argv[1:6]
SECONDS = int(SECONDS)
RATE, SESSIONS, CONNECTIONS = 70_000, 1_000_000, 96
# Timeout for spooled records to arrive, in seconds.
DRAIN = 60 + 20 * SECONDS
DROPPED = ["records_dropped_full_total", "records_dropped_too_long_total", "records_refused_total",
           "records_dropped_spool_full_total", "records_dropped_damaged_total"]
SITE = """location / { empty_gif; }
    location = /bench-status { api_sessions off; api_sessions_status; }"""
HTTP = """api_sessions on; api_sessions_zone api_sessions:160m;
    session_key request.cookie.sid; context_param request.query.u name=u;"""


def say(text):
    print(f"\033[1m==> {text}\033[0m", file=sys.stderr, flush=True)


def mib(kb):
    return f"{kb / 1024:.0f} MB"


class Watch:
    """Memory of the workers without what they share, and of the cloud, every second while something runs."""

    def __init__(self, server, cloud=None):
        self.server, self.cloud, self.seen = server, cloud, []

    def look(self):
        self.seen.append((self.server.rss_kb()[1], self.cloud.rss_kb() if self.cloud else 0))

    def halves(self):
        """The most of each in the first and in the second half."""
        middle = max(1, len(self.seen) // 2)
        most = lambda part: [max((one[at] for one in part), default=0) for at in (0, 1)]
        return most(self.seen[:middle]), most(self.seen[middle:] or self.seen)


def run(load, server, work, watch):
    """As the clients see it, and CPU of a request."""
    import threading
    before, done = server.cpu(), []
    client = threading.Thread(target=lambda: done.append(load.run(server, work, SECONDS)))
    client.start()
    while client.is_alive():
        watch.look()
        client.join(1)
    if not done:
        raise SystemExit("the load failed")
    requests, (p50, p99, p999) = done[0]
    return {"requests": requests, "requests_a_second": requests / SECONDS, "p50_us": p50, "p99_us": p99,
            "p999_us": p999, "cpu_us": (server.cpu() - before) / requests * 1e6}


def drain(server, cloud):
    """Waits until nothing waits any more; the figures of the queue then, and how long it took."""
    begun = time.monotonic()
    while True:
        status = server.status()
        export = status["export"]
        waits = export["records_queued_total"] - export["records_sent_total"] - sum(export[name] for name in DROPPED[2:])
        if waits == 0 or time.monotonic() - begun > DRAIN:
            return status, export, waits, cloud.stored(), time.monotonic() - begun
        time.sleep(0.5)


with tempfile.TemporaryDirectory() as work:
    os.chmod(work, 0o755)
    load = Load("full-load", [], sessions=SESSIONS, workers=2, rate=RATE, connections=CONNECTIONS)
    say(f"{SECONDS} s without export")
    site = Nginx(BINARY, work, "module", f"load_module {MODULE};", HTTP, SITE, 2)
    try:
        without = run(load, site, work, Watch(site))
    finally:
        site.stop()
    say(f"{SECONDS} s with export to the cloud")
    cloud = Cloud(CLOUD, work)
    try:
        export = (f"api_sessions_export http://127.0.0.1:{cloud.port} token_file={cloud.data}/ingest.token node=bench "
                  f"queue=64m spool={work}/spool:1g;")
        site = Nginx(BINARY, work, "export", f"load_module {MODULE};", HTTP + export, SITE, 2)
        try:
            watch = Watch(site, cloud)
            with_export = run(load, site, work, watch)
            say("what is left in queue and spool arrives")
            status, queue, waits, stored, took = drain(site, cloud)
        finally:
            site.stop()
    finally:
        cloud.stop()

first, second = watch.halves()
dropped = {name: queue[name] for name in DROPPED if queue[name]}
# Each request of the load, and the initial one to `/`, has one record, stored in the cloud or counted as dropped.
written = queue["records_queued_total"] + queue[DROPPED[0]] + queue[DROPPED[1]]
found = {
    "seconds": SECONDS, "without_export": without, "with_export": with_export, "records": written,
    "records_spooled": queue["records_spooled_total"], "stored": stored, "dropped": dropped, "waiting": waits,
    "unaccounted": written - stored - sum(dropped.values()) - waits, "drain_seconds": took,
    "requests_without_a_record": max(0, with_export["requests"] - written),
    "worker_kb": [first[0], second[0]], "cloud_kb": [first[1], second[1]],
}
if FORMAT == "json":
    json.dump(found, sys.stdout, indent=1)
    print()
else:
    print(f"full load: {SESSIONS:,} sessions, {SECONDS} s, two workers and the cloud on {os.cpu_count()} processors\n")
    print(f"{'':24}{'without export':>16}{'with export':>16}{'ratio':>8}")
    for name, label in [("requests_a_second", "requests a second"), ("cpu_us", "CPU µs a request"), ("p50_us", "p50 µs"),
                        ("p99_us", "p99 µs"), ("p999_us", "p99.9 µs")]:
        a, b = without[name], with_export[name]
        print(f"{label:24}{a:16,.1f}{b:16,.1f}{b / a if a else 0:8.2f}")
    print(f"\nrecords {written:,}, of which {found['records_spooled']:,} went by the spool; stored {stored:,}; "
          f"dropped {dropped or 0}; waiting {waits}; unaccounted {found['unaccounted']}")
    print(f"the rest arrived {took:.0f} s after the load; most memory in its first and second half: "
          f"a worker {mib(first[0])}, {mib(second[0])}; the cloud {mib(first[1])}, {mib(second[1])}")
if found["unaccounted"] or found["requests_without_a_record"] or waits:
    sys.exit("full load: records are missing")
