"""What JA4 adds to a full TLS handshake: CPU time of an NGINX worker that computes it beside that of one that does
not, in alternating rounds of `openssl s_time`, which sends no request.

    python3 scripts/bench.d/handshakes.py NGINX MODULE [ROUNDS]
"""
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SECONDS = 2


def conf(work, module, port, is_on):
    return f"""
load_module {module};
worker_processes 1;
worker_cpu_affinity 01;
worker_priority -10;
pid {work}/pid;
error_log {work}/error.log crit;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    api_sessions {"on" if is_on else "off"};
    client_body_temp_path {work}/body; proxy_temp_path {work}/proxy; fastcgi_temp_path {work}/fastcgi;
    uwsgi_temp_path {work}/uwsgi; scgi_temp_path {work}/scgi;
    ssl_certificate {work}/certificate;
    ssl_certificate_key {work}/key;
    ssl_protocols TLSv1.3;
    ssl_session_tickets off;
    server {{ listen 127.0.0.1:{port} ssl; return 204; }}
}}
"""


class Peer:
    def __init__(self, nginx, module, port, is_on):
        self.directory, self.port = tempfile.TemporaryDirectory(), port
        work = Path(self.directory.name)
        names = ["-subj", "/CN=localhost", "-keyout", work / "key", "-out", work / "certificate"]
        curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        subprocess.run(["openssl", "req", "-x509", *curve, *names], check=True, capture_output=True)
        (work / "nginx.conf").write_text(conf(work, module, port, is_on))
        subprocess.run([nginx, "-p", work, "-c", work / "nginx.conf", "-e", work / "error.log"], check=True)
        while not (work / "pid").exists() or not (work / "pid").read_text():
            time.sleep(0.01)
        self.master = int((work / "pid").read_text())
        children = f"/proc/{self.master}/task/{self.master}/children"
        while not Path(children).read_text():
            time.sleep(0.01)
        self.worker = Path(children).read_text().split()[0]

    def cpu(self):
        """Nanoseconds that the worker has run."""
        return int(Path(f"/proc/{self.worker}/schedstat").read_text().split()[0])

    def round(self):
        """CPU time of the worker for a handshake, us."""
        before = self.cpu()
        words = ["openssl", "s_time", "-connect", f"127.0.0.1:{self.port}", "-new", "-time", str(SECONDS)]
        out = subprocess.run(["taskset", "2", *words], capture_output=True, text=True).stdout
        count = int(re.search(r"(\d+) connections in \d+ real", out).group(1))
        return (self.cpu() - before) / 1000 / count, count

    def stop(self):
        os.kill(self.master, signal.SIGQUIT)
        self.directory.cleanup()


def main():
    nginx, module = sys.argv[1:3]
    rounds = int(sys.argv[3]) if len(sys.argv) > 3 else 20
    peers = {is_on: Peer(nginx, module, 18443 + is_on, is_on) for is_on in (False, True)}
    try:
        times, handshakes = {False: [], True: []}, 0
        for peer in peers.values():
            peer.round()
        for number in range(rounds):
            for is_on in (False, True) if number % 2 else (True, False):
                time_each, count = peers[is_on].round()
                times[is_on].append(time_each)
                handshakes += count
    finally:
        for peer in peers.values():
            peer.stop()
    added = sorted(on - off for on, off in zip(times[True], times[False]))
    quartiles = statistics.quantiles(added, n=4)
    print(f"{handshakes} handshakes in {rounds} pairs of rounds, load {os.getloadavg()[0]:.1f}")
    for name, all_times in (("without", times[False]), ("with JA4", times[True])):
        print(f"{name:8} least {min(all_times):.1f} us, median {statistics.median(all_times):.1f} us a handshake")
    print(f"added: least {min(times[True]) - min(times[False]):+.1f} us, median of pairs {quartiles[1]:+.1f} us, "
          f"quartiles {quartiles[0]:+.1f} and {quartiles[2]:+.1f} us")


if __name__ == "__main__":
    main()
