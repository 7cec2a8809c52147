"""Servers of NGINX on ports of their own, ended by id."""
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import time

HERTZ = os.sysconf("SC_CLK_TCK")


def free_port():
    """Below those that the kernel gives to clients."""
    while True:
        port = 10000 + int.from_bytes(os.urandom(2), "big") % 20000
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return port


class Nginx:
    """A running server; `locations` stand in a server on 127.0.0.1, `tls` adds one with HTTP/2."""

    def __init__(self, binary, work, name, main="", http="", locations="", workers=1, tls=False):
        self.work, self.name, self.binary = work, name, binary
        self.port, self.tls_port = free_port(), free_port()
        user = "user root;" if os.getuid() == 0 else ""
        # "off" cancels all access_log directives of its level, wherever it is placed.
        quiet = "" if "access_log" in http else "access_log off;"
        listens = f"listen 127.0.0.1:{self.port};"
        if tls:
            listens += (f"listen 127.0.0.1:{self.tls_port} ssl http2;"
                        f"ssl_certificate {work}/tls.pem; ssl_certificate_key {work}/tls.key;")
        temp = "".join(f"{kind}_temp_path {work}/{name}-{kind};" for kind in
                       ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        self.conf = os.path.join(work, f"{name}.conf")
        with open(self.conf, "w") as file:
            file.write(f"""{main} {user}
daemon off; worker_processes {workers}; pid {work}/{name}.pid; error_log {work}/{name}.log warn;
events {{ worker_connections 1024; }}
http {{
    {quiet} keepalive_requests 100000000; client_max_body_size 64m; {temp}
    {http}
    server {{ {listens} {locations} }}
}}
""")
        self.process = subprocess.Popen([binary, "-e", f"{work}/{name}.log", "-p", work, "-c", self.conf])
        for _ in range(400):
            if self.process.poll() is not None:
                raise SystemExit(f"NGINX of {name} ended:\n" + open(f"{work}/{name}.log").read())
            try:
                self.get("/")
                break
            except OSError:
                time.sleep(0.05)
        children = open(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read().split()
        self.workers = [int(pid) for pid in children]

    def get(self, path):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", path)
            return connection.getresponse().read()
        finally:
            connection.close()

    def cpu(self):
        """Seconds of all threads of all workers."""
        total = 0
        for pid in self.workers:
            fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
            total += int(fields[11]) + int(fields[12])
        return total / HERTZ

    def rss_kb(self):
        """Resident memory of the largest worker, and of that what is no shared memory."""
        found = []
        for pid in self.workers:
            status = open(f"/proc/{pid}/status").read()
            value = lambda name: int(re.search(name + r":\s+(\d+)", status).group(1))
            found.append((value("VmRSS"), value("VmRSS") - value("RssShmem")))
        return max(found)

    def status(self):
        """What api_sessions_status tells."""
        return json.loads(self.get("/bench-status"))

    def stop(self):
        self.process.send_signal(signal.SIGQUIT)
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.terminate()
            self.process.wait(15)
        log = open(f"{self.work}/{self.name}.log").read()
        for bad in ("[alert]", "[crit]", "[emerg]", "exited on signal"):
            if bad in log:
                raise SystemExit(f"in the error log of {self.name}:\n{log}")
