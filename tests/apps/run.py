#!/usr/bin/env python3
"""Drives real applications through the module, and prints how well sessions match visitors.

    tests/apps/run.py [--module SO] [--deps DIR] [--variant hard,easy,nat] [--follow on|off] [--nodes N] [--check] [APP ...]

`tests/apps/install DIR` fills DIR. An application whose runtime is not there is skipped, and the end says so.

V, homogeneity and completeness are of the requests about which the wire says anything: they bring or issue a value
that one visitor alone has. `pages` is the V of all pages, `wire` that of who follows each value and nothing else.
With several nodes each request goes to one of them at random; `cloud` is V as the cloud tells it afterwards.
"""
import argparse
import collections
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from apps import APPS, LEAST_HOMOGENEITY, LEAST_MEAN
from fleet import Fleet
from measure import by_wire, measure, told
from processes import free_port, wait_for
from visitors import drive

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
COLUMNS = ("homogeneity", "completeness", "V", "sessions", "pages", "wire", "cloud")


class CannotRun(Exception):
    """The application does not start here."""


def trial(app, variant, options):
    """Runs one application in one variant. Its exchanges."""
    directory = tempfile.mkdtemp(prefix="apps-")
    os.chmod(directory, 0o755)
    up = free_port()
    env = {**os.environ, "NODE_PATH": f"{options.deps}/node_modules", "PYTHONDONTWRITEBYTECODE": "1"}
    errors = open(f"{directory}/app.log", "w")
    command = app.command(HERE, options.deps, directory, up)
    try:
        server = subprocess.Popen(command, env=env, stdout=errors, stderr=errors, start_new_session=True)
    except FileNotFoundError as error:
        raise CannotRun(error) from error
    fleet, log, joined = Fleet(directory, up, options), [], None
    try:
        try:
            wait_for(up, server)
        except RuntimeError as error:
            raise CannotRun(f"{error}, see {directory}/app.log") from error
        fleet.start()
        drive(lambda *words: app.client(fleet.ports, *words, log), variant)
        # An access log is written once the client has its answer.
        time.sleep(0.2)
        visits = fleet.visits()
        if fleet.cloud_port:
            joined = fleet.in_cloud({words[1] for words in visits.values()}, len(log))
    finally:
        fleet.stop()
        # Some have children of their own.
        if server.poll() is None:
            os.killpg(server.pid, signal.SIGKILL)
        server.wait()
        errors.close()
    if fleet.failures():
        raise RuntimeError(fleet.failures()[0])
    visits = fleet.visits()
    for exchange in log:
        _, exchange.session, exchange.source, _ = visits[exchange.number]
        exchange.joined = joined and joined[exchange.session]
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
    parser.add_argument("--nodes", type=int, default=1)
    parser.add_argument("--cloud", default=f"{ROOT}/build/api-sessions-cloud")
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
        if app.library and not os.path.exists(app.library):
            print(f"LEFT OUT application {name}: Debian has no package with {app.library} here")
            continue
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
            cloud = measure([(it.visitor, it.joined) for it in counted])[2] if options.nodes > 1 else v
            print(f"{name:18}{variant:8}{homogeneity:13.3f}{completeness:13.3f}{v:13.3f}{sessions:13}{pages:13.3f}{wire:13.3f}{cloud:13.3f}",
                  flush=True)
            if options.explain:
                explain(exchanges)
            if app.keeps:
                values[variant].append((homogeneity, completeness, v, sessions, pages, wire, cloud))
            least = app.least.get(variant)
            is_mixed = app.keeps and homogeneity < LEAST_HOMOGENEITY
            if options.check and least and (v < least or is_mixed):
                failures.append(f"{name} {variant}: V {v:.3f}, homogeneity {homogeneity:.3f}")
    for variant, of_all in values.items():
        means = [sum(column) / len(of_all) for column in zip(*of_all)]
        print(f"{'mean':18}{variant:8}" + "".join(f"{value:13.3f}" for value in means))
        least = LEAST_MEAN.get(variant, 0)
        if options.check and options.nodes == 1 and not options.apps and not skipped and means[2] < least:
            failures.append(f"mean {variant}: V {means[2]:.3f}, at least {least} is expected")
    for line in skipped:
        print("SKIPPED application", line)
    if failures:
        sys.exit("below what is expected: " + "; ".join(failures))


main()
