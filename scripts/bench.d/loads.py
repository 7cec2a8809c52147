"""What is asked of the peers, with wrk and h2load."""
import os
import re
import subprocess

SECOND = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0}

# A browser's cookies and one parameter; consecutive requests belong to different sessions.
WRK = """local n = 0
local paths = {paths}
init = function(args) math.randomseed(os.time()) end
request = function()
    n = n + 1
    local id = (n * 7919) % {sessions}
    local path = n % 100 == 0 and paths[2] or paths[1]
    return wrk.format("{method}", path .. "?u=user" .. (id % 100) .. (n % 100 == 0 and "{attack}" or ""), {
        {headers}
        ["User-Agent"] = "Mozilla/5.0 (X11; Linux x86_64) bench",
    }, {body})
end
delay = {delay}
done = function(summary, latency, requests)
    print(string.format("bench: %d %d %d %d %d", summary.requests, summary.errors.status + summary.errors.timeout + summary.errors.read,
        latency:percentile(50), latency:percentile(99), latency:percentile(99.9)))
end
"""
COOKIE = '["Cookie"] = "theme=dark; sid=0123456789abcdef" .. id .. "; lang=en",'
JSON = '["Content-Type"] = "application/json",'
BODY = ('[[{"items":[%s],"user":{"name":"bench","id":"user-]] .. id .. [["}}]]'
        % ",".join('{"sku":"A-%04d","count":%d,"note":"%s"}' % (n, n, "x" * 30) for n in range(14)))


class Load:
    def __init__(self, name, peers, path="/", rounds=4, sessions=20000, method="GET", workers=1,
                 attack="", rate=None, h2=False, connections=8, zone="16m", why=""):
        self.name, self.peers, self.path, self.rounds = name, peers, path, rounds
        self.sessions, self.method, self.workers, self.attack = sessions, method, workers, attack
        self.rate, self.h2, self.connections, self.zone, self.why = rate, h2, connections, zone, why

    def script(self, work):
        post = self.method == "POST"
        text = WRK
        # Each connection waits this many milliseconds between requests, which gives about the wanted rate.
        delay = f"function() return {self.connections * 1000 // self.rate} end" if self.rate else "nil"
        for key, value in {
            "paths": '{"%s", "%s"}' % (self.path, self.path), "sessions": self.sessions,
            "method": self.method, "attack": self.attack, "headers": JSON if post else COOKIE,
            "body": BODY if post else "nil", "delay": delay,
        }.items():
            text = text.replace("{%s}" % key, str(value))
        path = os.path.join(work, f"{self.name}.lua")
        with open(path, "w") as file:
            file.write(text)
        return path

    def run(self, server, work, seconds):
        """Requests that were answered, and p50, p99 and p99.9 in microseconds (wrk alone)."""
        if self.h2:
            return self.run_h2(server, seconds)
        out = subprocess.run(
            ["wrk", f"-t{2 if self.workers > 1 else 1}", f"-c{self.connections}", f"-d{seconds}s", "-s",
             self.script(work), f"http://127.0.0.1:{server.port}/"],
            capture_output=True, text=True, check=True).stdout
        found = re.search(r"bench: (\d+) (\d+) (\d+) (\d+) (\d+)", out)
        requests, errors, *latency = (int(word) for word in found.groups())
        if errors or not requests:
            raise SystemExit(f"{self.name}: {errors} errors of {requests} requests\n{out}")
        return requests, latency

    def run_h2(self, server, seconds):
        out = subprocess.run(
            ["h2load", "-t1", f"-c{self.connections}", "-m4", f"-D{seconds}", "-H",
             "cookie: theme=dark; sid=0123456789abcdef12345; lang=en", "-H",
             "user-agent: Mozilla/5.0 (X11; Linux x86_64) bench",
             f"https://127.0.0.1:{server.tls_port}{self.path}?u=user1"],
            capture_output=True, text=True, check=True).stdout
        done = re.search(r"(\d+) done, (\d+) succeeded, (\d+) failed", out)
        if not done or int(done.group(3)) or not int(done.group(2)):
            raise SystemExit(f"{self.name}: requests failed\n{out}")
        return int(done.group(2)), None


def quick():
    tiny = ["bare", "access_log", "limit_req", "module", "export", "detect"]
    return [Load("tiny", tiny, rounds=3, why="an answer of 43 bytes from memory, 20,000 sessions")]


def full():
    main = ["bare", "access_log", "module", "export"]
    return [
        Load("tiny", main[:2] + ["limit_req"] + main[2:] + ["sync", "no_facts", "rules", "detect", "lua", "njs", "modsecurity"], rounds=5,
             why="an answer of 43 bytes from memory, 20,000 sessions"),
        Load("two workers", main, workers=2, why="as tiny, two workers on two cores beside the load"),
        Load("proxied", main + ["lua"], path="/proxied", why="an upstream's answer of 1 KB"),
        Load("body", main + ["body_key"], path="/proxied", method="POST",
             why="1 KB of JSON to the upstream; body_key reads its session from it"),
        Load("million", ["bare", "limit_req", "module"], sessions=1000000, rounds=3, zone="160m",
             why="1,000,000 sessions, a zone of 160 MB"),
        Load("http2", main, h2=True, why="HTTP/2 over TLS, 4 streams on each of 8 connections"),
        Load("malicious", main + ["detect"], attack="%27%20OR%201=1--%20", rounds=3,
             why="every hundredth request is an SQL injection"),
        Load("latency", main + ["detect", "lua"], rate=8000, connections=16, rounds=3,
             why="about 8,000 requests a second: what the clients feel"),
    ]
