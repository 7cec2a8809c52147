"""Instructions a request, counted by callgrind: the same for the same binary, however busy the machine.

Runs a peer's configuration in one process under valgrind, with few requests and with 1,000 more, and gives
the difference of both counts for one request. User space alone; threads included.
"""
import http.client
import os
import re
import signal
import subprocess
import tempfile
import time


def ask(port, count):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    for number in range(count):
        connection.request(
            "GET", f"/?u=user{number % 100}",
            headers={"Cookie": f"theme=dark; sid=0123456789abcdef{number % 50:05}; lang=en",
                     "User-Agent": "Mozilla/5.0 (X11; Linux x86_64) bench"})
        connection.getresponse().read()
    connection.close()


def counted(binary, text, port, requests, keep=None):
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "nginx.conf")
        with open(path, "w") as file:
            file.write(f"pid {directory}/pid;\n{text}")
        log, out = os.path.join(directory, "valgrind"), keep or os.path.join(directory, "out")
        child = subprocess.Popen(
            ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", f"--log-file={log}",
             binary, "-e", f"{directory}/log", "-p", directory, "-c", path],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(600):
            try:
                ask(port, 1)
                break
            except OSError:
                time.sleep(0.05)
        ask(port, requests)
        # Wait until queued records are sent, so that they are measured too.
        time.sleep(1.5)
        child.send_signal(signal.SIGQUIT)
        child.wait(60)
        return int(re.search(r"Collected : (\d+)", open(log).read()).group(1))


def a_request(binary, conf, port, spare, keep=None):
    """Of the peer whose file `conf` listens on `port`; its copy listens on `spare`. `keep` is a path for
    callgrind's profile of the longer run."""
    text = open(conf).read().replace(f"127.0.0.1:{port}", f"127.0.0.1:{spare}")
    text = re.sub(r"worker_processes \d+;", "master_process off;", text)
    text = re.sub(r"pid \S+;", "", text)
    few = counted(binary, text, spare, 300)
    return (counted(binary, text, spare, 1300, keep) - few) // 1000
