"""What the cloud does with records: how fast it takes them, what they weigh, how fast it answers."""
import http.client
import json
import os
import re
import subprocess
import time
from statistics import median

from nginx import HERTZ, free_port

# Typical filters, one at a time, with values from the generated traffic: broad ones, which match most sessions, and
# narrow ones.
LISTS = ["", "attack=any", "attack=sqli", "status=5xx", "method=POST", "host=api.shop.example", "application=bank",
         "user=user77", "role=admin", "ip=10.0.0.7", "endpoint=orders", "denied=true", "denied=false",
         "sort=requests", "sort=duration"]


class Cloud:
    def __init__(self, binary, work):
        self.binary, self.data, self.port = binary, os.path.join(work, "cloud"), free_port()
        self.process = subprocess.Popen(
            [binary, "--listen", f"127.0.0.1:{self.port}", "--data", self.data],
            env=dict(os.environ, MALLOC_ARENA_MAX="2"),  # as the packaged unit
            stdout=subprocess.DEVNULL, stderr=open(os.path.join(work, "cloud.log"), "w"))
        for _ in range(200):
            try:
                http.client.HTTPConnection("127.0.0.1", self.port, timeout=5).request("GET", "/healthz")
                break
            except OSError:
                time.sleep(0.05)
        self.token = open(os.path.join(self.data, "admin.token")).read().strip()

    def cpu(self):
        fields = open(f"/proc/{self.process.pid}/stat").read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / HERTZ

    def rss_kb(self):
        return int(re.search(r"VmRSS:\s+(\d+)", open(f"/proc/{self.process.pid}/status").read()).group(1))

    def fill(self, requests, seed, look=lambda: None):
        """Sends records, and looks on: their rate, the cloud's CPU and memory, and how long nothing was stored at
        worst. `look` is called every two seconds."""
        before, begun = self.cpu(), time.monotonic()
        first, memory, stall = self.stored(), [], 0
        known, since = first, begun
        generator = subprocess.Popen(
            [self.binary, "generate", "--url", f"http://127.0.0.1:{self.port}", "--data", self.data,
             "--requests", str(requests), "--sessions", "20000", "--days", "6", "--seed", str(seed)],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while generator.poll() is None:
            time.sleep(0.1)
            stored, now = self.stored(), time.monotonic()
            stall = max(stall, now - since)
            if stored != known:
                known, since = stored, now
            if now - begun > len(memory) * 2 + 2:
                memory.append((stored - first, self.rss_kb()))
                look()
        if generator.returncode != 0:
            raise SystemExit("the generator failed")
        return {"records_a_second": requests / (time.monotonic() - begun),
                "cpu_seconds_a_million": (self.cpu() - before) / requests * 1e6, "memory": memory,
                "longest_pause_ms": stall * 1000}

    def stored(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request("GET", "/metrics", headers={"Authorization": f"Bearer {self.token}"})
        text = connection.getresponse().read().decode()
        return int(re.search(r"^api_sessions_cloud_records_stored_total (\d+)", text, re.M).group(1))

    def ask(self, path):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        begun = time.monotonic()
        connection.request("GET", path, headers={"Authorization": f"Bearer {self.token}"})
        answer = connection.getresponse()
        body = answer.read()
        took = (time.monotonic() - begun) * 1000
        if answer.status != 200:
            raise SystemExit(f"{path}: {answer.status} {body[:200]}")
        return took, json.loads(body)

    def median_ms(self, path):
        self.ask(path)
        return median(self.ask(path)[0] for _ in range(5))

    def disk(self):
        return sum(os.path.getsize(os.path.join(self.data, name)) for name in os.listdir(self.data))

    def stop(self):
        self.process.terminate()
        self.process.wait(30)


def figures(binary, work, say, sizes):
    cloud = Cloud(binary, work)
    try:
        report, stored = [], 0
        for size in sizes:
            say(f"cloud: {size - stored:,} records more")
            filled = cloud.fill(size - stored, size)
            stored = size
            say("cloud: its answers")
            lists = {query or "all": cloud.median_ms(f"/v1/sessions?limit=50&{query}") for query in LISTS}
            session = cloud.ask("/v1/sessions?limit=1&sort=requests")[1]["sessions"][0]["session"]
            report.append({
                "records": size, **filled,
                "records_a_second_of_one_core": 1e6 / filled["cpu_seconds_a_million"], "bytes_a_record": cloud.disk() / size,
                "rss_kb": cloud.rss_kb(), "lists_ms": lists,
                "detail_ms": cloud.median_ms(f"/v1/sessions/{session}"),
                "requests_ms": cloud.median_ms(f"/v1/sessions/{session}/requests?limit=100"),
            })
        say("cloud: lists while records arrive")
        meanwhile = []
        cloud.fill(1_000_000, 1, lambda: meanwhile.append(cloud.ask("/v1/sessions?limit=50")[0]))
        report[-1]["lists_meanwhile_ms"] = [median(meanwhile), max(meanwhile)]
        return report
    finally:
        cloud.stop()
