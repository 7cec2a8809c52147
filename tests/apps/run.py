#!/usr/bin/env python3
"""Drives real applications through the module, and prints how well sessions match visitors.

    tests/apps/run.py [--module SO] [--deps DIR] [--variant hard,easy,nat] [--follow on|off] [--check] [APP ...]

`tests/apps/install DIR` fills DIR. An application whose runtime is not there is skipped, and the end says so.

V, homogeneity and completeness are of the requests about which the wire says anything: they bring or issue a value
that one visitor alone has. `pages` is the V of all pages, `wire` that of who follows each value and nothing else.
"""
import argparse
import collections
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

from apps import APPS, LEAST_HOMOGENEITY
from browser import Browser
from measure import by_wire, measure, told
from visitors import drive

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
COLUMNS = ("homogeneity", "completeness", "V", "sessions", "pages", "wire")


class CannotRun(Exception):
    """The application does not start here."""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for(port, process, seconds=60):
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


CONF = """user root; load_module {module}; daemon off; worker_processes 2; pid {dir}/pid;
error_log {dir}/error.log notice; events {{ worker_connections 512; }}
http {{
  client_body_temp_path {dir}/b; proxy_temp_path {dir}/p; fastcgi_temp_path {dir}/f; uwsgi_temp_path {dir}/u;
  scgi_temp_path {dir}/s;
  log_format visit '$http_x_number $api_session_id $api_session_source $api_session_key';
  access_log {dir}/visits visit;
  set_real_ip_from 127.0.0.1; real_ip_header X-Forwarded-For;
  api_sessions on; {more}
  server {{ listen 127.0.0.1:{port}; location / {{ proxy_set_header Host $host; proxy_pass http://127.0.0.1:{up}; }} }}
}}"""


def trial(app, variant, options):
    """Runs one application in one variant. Its exchanges."""
    directory = tempfile.mkdtemp(prefix="apps-")
    os.chmod(directory, 0o755)
    port, up = free_port(), free_port()
    env = {**os.environ, "NODE_PATH": f"{options.deps}/node_modules", "PYTHONDONTWRITEBYTECODE": "1"}
    errors = open(f"{directory}/app.log", "w")
    command = app.command(HERE, options.deps, directory, up)
    try:
        server = subprocess.Popen(command, env=env, stdout=errors, stderr=errors, start_new_session=True)
    except FileNotFoundError as error:
        raise CannotRun(error) from error
    nginx, log = None, []
    try:
        try:
            wait_for(up, server)
        except RuntimeError as error:
            raise CannotRun(f"{error}, see {directory}/app.log") from error
        with open(f"{directory}/nginx.conf", "w") as conf:
            more = "" if options.follow == "on" else "api_sessions_follow off;"
            conf.write(CONF.format(module=options.module, dir=directory, more=more, port=port, up=up))
        nginx = subprocess.Popen([options.nginx, "-c", f"{directory}/nginx.conf", "-e", f"{directory}/error.log"])
        wait_for(port, nginx)
        drive(lambda *words: app.client(port, *words, log), variant)
    finally:
        if nginx:
            nginx.send_signal(signal.SIGTERM)
            nginx.wait()
        # Some have children of their own.
        if server.poll() is None:
            os.killpg(server.pid, signal.SIGKILL)
        server.wait()
        errors.close()
    with open(f"{directory}/error.log") as errors:
        bad = [line for line in errors if any(word in line for word in ("[alert]", "[crit]", "[emerg]", "signal 11"))]
    if bad:
        raise RuntimeError(bad[0])
    found = {}
    with open(f"{directory}/visits") as visits:
        for line in visits:
            words = line.split()
            found[words[0]] = words
    for exchange in log:
        _, exchange.session, exchange.source, _ = found[exchange.number]
    shutil.rmtree(directory)
    return [exchange for exchange in log if not exchange.is_asset]


def explain(exchanges):
    """Prints each exchange with short names of its session and values."""
    names = collections.defaultdict(dict)

    def short(kind, value):
        return names[kind].setdefault(value, f"{kind}{len(names[kind])}")

    main = {}
    for visitor in {exchange.visitor for exchange in exchanges}:
        sessions = collections.Counter(each.session for each in exchanges if each.visitor == visitor)
        main[visitor] = sessions.most_common(1)[0][0]
    known = {id(exchange) for exchange in told(exchanges)}
    for each in exchanges:
        brought, issued = (" ".join(short("v", value) for value in values) for values in (each.brought, each.issued))
        mark = "" if each.session == main[each.visitor] else f"not {short('s', main[each.visitor])}"
        print(f"    {each.visitor} {short('s', each.session)} {mark:8} {each.source:8} {each.line:16} "
              f"brings [{brought}] issues [{issued}]{'' if id(each) in known else ' untold'}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("apps", nargs="*", help=", ".join(APPS))
    parser.add_argument("--module", default=f"{ROOT}/build/ngx_http_api_sessions_module.so", type=os.path.abspath)
    parser.add_argument("--nginx", default="/usr/sbin/nginx")
    parser.add_argument("--deps", default=f"{ROOT}/build/apps")
    parser.add_argument("--variant", default="hard,easy,nat")
    parser.add_argument("--follow", choices=["on", "off"], default="on")
    parser.add_argument("--check", action="store_true", help="fail below the least values of an application or the mean")
    parser.add_argument("--explain", action="store_true", help="print every exchange")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    random.seed(options.seed)
    failures, skipped, values = [], [], collections.defaultdict(list)
    print(f"{'application':18}{'variant':8}" + "".join(f"{name:>13}" for name in COLUMNS))
    for name in options.apps or APPS:
        app = APPS[name]
        for variant in options.variant.split(","):
            try:
                exchanges = trial(app, variant, options)
            except CannotRun as error:
                skipped.append(f"{name}: {error}")
                break
            counted = told(exchanges) if app.keeps else exchanges
            homogeneity, completeness, v, sessions = measure([(it.visitor, it.session) for it in counted])
            pages = measure([(it.visitor, it.session) for it in exchanges])[2]
            wire = measure(by_wire(counted))[2]
            print(f"{name:18}{variant:8}{homogeneity:13.3f}{completeness:13.3f}{v:13.3f}{sessions:13}{pages:13.3f}{wire:13.3f}",
                  flush=True)
            if options.explain:
                explain(exchanges)
            if app.keeps:
                values[variant].append((homogeneity, completeness, v))
            least = app.least.get(variant)
            if options.check and least and (v < least or homogeneity < LEAST_HOMOGENEITY):
                failures.append(f"{name} {variant}: V {v:.3f}, homogeneity {homogeneity:.3f}")
    for variant, of_all in values.items():
        means = [sum(column) / len(of_all) for column in zip(*of_all)]
        print(f"{'mean':18}{variant:8}" + "".join(f"{value:13.3f}" for value in means))
    for line in skipped:
        print("SKIPPED application", line)
    if failures:
        sys.exit("below what is expected: " + "; ".join(failures))


main()
