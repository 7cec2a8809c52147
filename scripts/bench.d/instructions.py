"""Instructions a request, counted by callgrind: the same for the same binary, however busy the machine.

    instructions.py NGINX PEER.conf PORT

Runs the peer's configuration in one process under valgrind, twice, with 300 and with 1,300 requests, and
prints the difference of both counts for one request. User space alone; threads included.
"""
import http.client
import os
import re
import signal
import subprocess
import sys
import tempfile
import time

nginx, conf, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
text = open(conf).read()
text = re.sub(r"worker_processes \d+;", "master_process off;", text)
text = re.sub(r"pid \S+;", "", text)


def ask(count):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    for number in range(count):
        connection.request(
            "GET", f"/api/items?u=user{number % 100}",
            headers={"Cookie": f"theme=dark; sid=0123456789abcdef{number % 50:05}; lang=en", "User-Agent": "Mozilla/5.0 (X11; Linux x86_64) bench"},
        )
        connection.getresponse().read()


def count(requests):
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "nginx.conf")
        with open(path, "w") as file:
            file.write(f"pid {directory}/pid;\n{text}")
        log = os.path.join(directory, "valgrind")
        child = subprocess.Popen(
            ["valgrind", "--tool=callgrind", f"--callgrind-out-file={directory}/out", f"--log-file={log}",
             nginx, "-e", f"{directory}/log", "-p", directory, "-c", path],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(600):
            try:
                ask(1)
                break
            except OSError:
                time.sleep(0.05)
        ask(requests)
        # What was queued is sent, too.
        time.sleep(1.5)
        child.send_signal(signal.SIGQUIT)
        child.wait(60)
        return int(re.search(r"Collected : (\d+)", open(log).read()).group(1))


few = count(300)
print((count(1300) - few) // 1000)
