#!/usr/bin/env python3
"""Drives real applications through the module with cookie jars, and prints how well sessions match visitors.

    tests/apps/run.py [--module SO] [--deps DIR] [--variant hard,easy,nat] [--follow on|off] [--least V] [APP ...]

DIR holds `venv` (Django, Flask, Starlette) and `node_modules`; `tests/apps/install DIR` fills it. An application
whose runtime is not there is skipped, and the end says so.
"""
import argparse
import collections
import http.client
import math
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
PYTHON, NODE = "python", "node"
APPS = {
    "flask": (PYTHON, "flask_app.py"),
    "django": (PYTHON, "django_app.py"),
    "django-signed": (PYTHON, "django_app.py", "signed"),
    "starlette": (PYTHON, "starlette_app.py"),
    "express-session": (NODE, "express_app.js"),
    "express-rolling": (NODE, "express_app.js", "rolling"),
    "cookie-session": (NODE, "express_app.js", "cookie"),
    "koa-session": (NODE, "koa_app.js"),
    "fastify-session": (NODE, "fastify_app.js"),
    "iron-session": (NODE, "iron_app.mjs"),
    "no-cookies": (PYTHON, "nocookies_app.py"),
}
AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for(port, process, seconds=20):
    end = time.time() + seconds
    while time.time() < end:
        if process.poll() is not None:
            raise RuntimeError(f"ended with {process.returncode}")
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError("does not listen")


class Browser:
    """A cookie jar that sends values back byte for byte, and follows redirects."""

    def __init__(self, port, name, address, agent, keeps_cookies=True):
        self.port, self.name, self.address, self.agent = port, name, address, agent
        # What pages set with scripts: the same for all, or made up.
        self.decoys = {"theme": "dark", "_ga": f"GA1.1.{random.randrange(10**9)}.{random.randrange(10**9)}"}
        self.jar, self.keeps_cookies, self.lock = {}, keeps_cookies, threading.Lock()

    def request(self, method, path, form=None, redirects=3):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        headers = {"Host": "app.example", "User-Agent": self.agent, "X-Visitor": self.name,
                   "X-Forwarded-For": self.address}
        with self.lock:
            cookies = {**self.decoys, **self.jar} if self.keeps_cookies else {}
        if cookies:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in cookies.items())
        body = None
        if form is not None:
            body = urllib.parse.urlencode(form)
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        answer.read()
        if self.keeps_cookies:
            with self.lock:
                for header in answer.msg.get_all("Set-Cookie") or []:
                    self.store(header)
        connection.close()
        if answer.status in (301, 302, 303, 307) and redirects:
            to = urllib.parse.urlsplit(answer.headers["Location"])
            return self.request("GET", to.path or "/", None, redirects - 1)
        return answer.status

    def store(self, header):
        pair, *attributes = header.split(";")
        name, _, value = pair.strip().partition("=")
        gone = not value
        for attribute in attributes:
            key, _, text = attribute.strip().partition("=")
            gone |= key.lower() == "max-age" and text.strip().lstrip("-").isdigit() and int(text) <= 0
            gone |= key.lower() == "expires" and "1970" in text
        if gone:
            self.jar.pop(name, None)
        else:
            self.jar[name] = value

    def burst(self, paths):
        threads = [threading.Thread(target=self.request, args=("GET", path)) for path in paths]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]

    def pause(self):
        time.sleep(random.uniform(0.005, 0.03))


def land(browser):
    browser.request("GET", "/")
    browser.burst(["/asset.css", "/asset.css"])
    browser.pause()


def shop(browser, rounds=3):
    for item in range(rounds):
        browser.request("POST", "/cart", {"item": f"{browser.name}-{item}"})
        browser.burst(["/page", "/asset.css", "/"])
        browser.pause()


def reader(new):
    browser = new()
    for _ in range(4):
        land(browser)
        browser.request("GET", "/page")


def user(new):
    browser = new()
    land(browser)
    browser.request("POST", "/login", {"user": browser.name})
    shop(browser)
    browser.request("POST", "/logout", {})
    browser.burst(["/asset.css"])
    browser.request("GET", "/page")


def user_with_two_devices(new):
    user(new)
    user(lambda: new(device=2))


def two_in_turn(new):
    browser = new()
    land(browser)
    for name in ("ann", "bob"):
        browser.request("POST", "/login", {"user": name})
        shop(browser, 2)
        browser.request("POST", "/logout", {})
        browser.pause()


def moves(new):
    browser = new()
    land(browser)
    browser.request("POST", "/login", {"user": browser.name})
    shop(browser, 2)
    browser.address = "198.51.100." + browser.address.rsplit(".", 1)[1]
    shop(browser, 2)


def late(new):
    browser = new()
    land(browser)
    shop(browser, 3)
    browser.request("POST", "/login", {"user": browser.name})
    shop(browser, 1)


def mistypes(new):
    browser = new()
    land(browser)
    for name in ("mistake", "error", browser.name):
        browser.request("POST", "/login", {"user": name})
        browser.pause()
    shop(browser, 2)


VISITORS = [reader, user, user, user_with_two_devices, two_in_turn, moves, late, mistypes]


def measure(lines):
    """Homogeneity, completeness, V and the number of sessions of (visitor, session) pairs."""
    total = len(lines)
    both, visitors, sessions = (collections.Counter(it) for it in (lines, [v for v, _ in lines], [s for _, s in lines]))

    def entropy(counts):
        return -sum(n / total * math.log(n / total) for n in counts.values())

    def conditional(given):
        return -sum(n / total * math.log(n / given(pair)) for pair, n in both.items())

    h_v, h_s = entropy(visitors), entropy(sessions)
    homogeneity = 1 - conditional(lambda pair: sessions[pair[1]]) / h_v if h_v else 1.0
    completeness = 1 - conditional(lambda pair: visitors[pair[0]]) / h_s if h_s else 1.0
    both = homogeneity + completeness
    return homogeneity, completeness, 2 * homogeneity * completeness / both if both else 0.0, len(sessions)


def trial(app, variant, options):
    directory = tempfile.mkdtemp(prefix="apps-")
    os.chmod(directory, 0o755)
    port, up = free_port(), free_port()
    kind, script, *words = APPS[app]
    program = f"{options.deps}/venv/bin/python" if kind == PYTHON else "node"
    env = {**os.environ, "NODE_PATH": f"{options.deps}/node_modules"}
    errors = open(f"{directory}/app.log", "w")
    server = subprocess.Popen([program, f"{HERE}/{script}", str(up), *words], env=env, stdout=errors, stderr=errors)
    nginx = None
    try:
        wait_for(up, server)
        with open(f"{directory}/nginx.conf", "w") as conf:
            conf.write(f"""user root; load_module {options.module}; daemon off; worker_processes 2; pid {directory}/pid;
error_log {directory}/error.log notice; events {{ worker_connections 512; }}
http {{
  client_body_temp_path {directory}/b; proxy_temp_path {directory}/p; fastcgi_temp_path {directory}/f;
  uwsgi_temp_path {directory}/u; scgi_temp_path {directory}/s;
  log_format visit '$http_x_visitor $api_session_id $api_session_source $api_session_key "$request" $status "$http_cookie" "$sent_http_set_cookie"';
  access_log {directory}/visits visit;
  set_real_ip_from 127.0.0.1; real_ip_header X-Forwarded-For;
  api_sessions on; {"" if options.follow == "on" else "api_sessions_follow off;"}
  server {{ listen 127.0.0.1:{port}; location / {{ proxy_set_header Host $host; proxy_pass http://127.0.0.1:{up}; }} }}
}}""")
        nginx = subprocess.Popen([options.nginx, "-c", f"{directory}/nginx.conf", "-e", f"{directory}/error.log"])
        wait_for(port, nginx)
        drive(port, variant, app != "no-cookies")
    finally:
        for process in (nginx, server):
            if process:
                process.send_signal(signal.SIGTERM)
                process.wait()
    with open(f"{directory}/error.log") as log:
        bad = [line for line in log if any(word in line for word in ("[alert]", "[crit]", "[emerg]", "signal 11"))]
    if bad:
        raise RuntimeError(bad[0])
    lines = []
    with open(f"{directory}/visits") as log:
        for line in log:
            words = line.split()
            # Requests about which the wire says something.
            told = 'css' not in line and words[0] != "-"
            if told or app == "no-cookies":
                lines.append((words[0], words[1]))
    if options.keep:
        print("   ", directory)
    else:
        subprocess.run(["rm", "-r", directory], check=True)
    return measure(lines)


def drive(port, variant, keeps_cookies):
    crowd = VISITORS if variant != "nat" else (VISITORS * 3)[:20]
    queue = list(enumerate(crowd))
    random.shuffle(queue)
    lock = threading.Lock()

    def work():
        while True:
            with lock:
                if not queue:
                    return
                number, visit = queue.pop()

            def new(device=1):
                agent = f"{AGENT} v{number}.{device}" if variant == "easy" else AGENT
                address = "192.0.2.1" if variant != "easy" else f"192.0.2.{number + 1}"
                return Browser(port, f"v{number}.{device}", address, agent, keeps_cookies)

            visit(new)

    threads = [threading.Thread(target=work) for _ in range(6)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("apps", nargs="*")
    parser.add_argument("--module", default=f"{ROOT}/build/ngx_http_api_sessions_module.so")
    parser.add_argument("--nginx", default="/usr/sbin/nginx")
    parser.add_argument("--deps", default=f"{ROOT}/build/apps")
    parser.add_argument("--variant", default="hard,easy,nat")
    parser.add_argument("--follow", choices=["on", "off"], default="on")
    parser.add_argument("--least", type=float, default=0.0, help="fail if a V is below")
    parser.add_argument("--keep", action="store_true", help="keep logs, and print where they are")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    random.seed(options.seed)
    low, skipped, values = [], [], collections.defaultdict(list)
    print(f"{'application':18}{'variant':8}{'homogeneity':>12}{'completeness':>13}{'V':>7}{'sessions':>10}")
    for app in options.apps or APPS:
        for variant in options.variant.split(","):
            try:
                homogeneity, completeness, v, sessions = trial(app, variant, options)
            except (RuntimeError, FileNotFoundError) as error:
                skipped.append(f"{app}: {error}")
                break
            print(f"{app:18}{variant:8}{homogeneity:12.3f}{completeness:13.3f}{v:7.3f}{sessions:10}", flush=True)
            if app != "no-cookies":
                values[variant].append(v)
                if v < options.least:
                    low.append(f"{app} {variant} {v:.3f}")
    for variant, all_v in values.items():
        print(f"{'mean':18}{variant:8}{'':25}{sum(all_v) / len(all_v):7.3f}")
    for line in skipped:
        print("skipped:", line)
    if low:
        sys.exit("below the least V: " + ", ".join(low))


main()
