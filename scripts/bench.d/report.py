"""The table of ratios, with the bars of the project, and the same as JSON.

Ratios are of one round to bare NGINX in the same round; medians over rounds, with the least and the most.
"""
import json
import sys
from statistics import median


def of_load(load, rounds, instructions):
    """`rounds`: for each round, for each peer, what was measured."""
    peers = {}
    for name in load.peers:
        ours = [(by[name], by["bare"]) for by in rounds]
        added = [mine["cpu_us"] - bare["cpu_us"] for mine, bare in ours]
        figures = {
            "cpu_us": median(mine["cpu_us"] for mine, _ in ours),
            "added_cpu_us": median(added),
            "added_cpu_us_spread": [min(added), max(added)],
            "cpu_ratio": median(mine["cpu_us"] / bare["cpu_us"] for mine, bare in ours),
            "throughput_ratio": median(mine["requests"] / bare["requests"] for mine, bare in ours),
            "rss_kb": max(mine["rss_kb"] for mine, _ in ours),
            "private_kb": max(mine["private_kb"] for mine, _ in ours),
        }
        if load.rate:
            figures["latency_us"] = [median(mine["latency"][n] for mine, _ in ours) for n in range(3)]
        for key in ("sessions", "exported_bytes", "dropped"):
            if key in ours[-1][0]:
                figures[key] = ours[-1][0][key]
        if name in instructions:
            figures["added_instructions"] = instructions[name] - instructions.get("bare", 0)
        peers[name] = figures
    return {"what": load.why, "rounds": len(rounds), "peers": peers, "bars": bars(load, peers)}


def bars(load, peers):
    found = {}

    def bar(name, value, limit, at_least=False):
        found[name] = {"value": value, "bar": limit, "met": value >= limit if at_least else value <= limit}

    added = lambda name: peers[name]["added_cpu_us"]
    if load.name == "tiny":
        bar("added CPU with export / that of access_log", added("export") / max(added("access_log"), 0.01), 1.0)
        if "added_instructions" in peers["export"]:
            bar("the same in instructions (user space)",
                peers["export"]["added_instructions"] / max(peers["access_log"]["added_instructions"], 1), 1.0)
        if "no_facts" in peers:
            bar("added CPU of key facts, us", added("sync") - added("no_facts"), 0.2)
        if "lua" in peers:
            bar("added CPU with export / that of Lua", added("export") / max(added("lua"), 0.01), 0.2)
    if load.name == "proxied":
        bar("throughput with export / bare", peers["export"]["throughput_ratio"], 0.95, at_least=True)
    return found


def show(report):
    out = sys.stdout
    print(f"\n{report['machine']}", file=out)
    for name, load in report["loads"].items():
        print(f"\n{name}: {load['what']}; {load['rounds']} rounds")
        timed = any("latency_us" in peer for peer in load["peers"].values())
        print(f"{'':12}{'CPU a request':>15}{'ratio':>7}{'added':>10} {'(least to most)':>18}"
              f"{'instructions':>14}{'throughput':>12}{'RSS':>9}{'private':>9}"
              + (f"{'p50':>8}{'p99':>8}{'p99.9':>8}" if timed else ""))
        for peer, f in load["peers"].items():
            least, most = f["added_cpu_us_spread"]
            count = f"{f['added_instructions']:+14d}" if "added_instructions" in f else f"{'-':>14}"
            latency = "".join(f"{us:5.0f} us" for us in f.get("latency_us", []))
            print(f"{peer:12}{f['cpu_us']:12.2f} us{f['cpu_ratio']:7.2f}{f['added_cpu_us']:+7.2f} us "
                  f"({least:+7.2f} to {most:+6.2f}){count}{f['throughput_ratio']:11.2f}x"
                  f"{f['rss_kb'] / 1024:6.0f} MB{f['private_kb'] / 1024:6.0f} MB{latency}")
        for peer, f in load["peers"].items():
            notes = []
            if "sessions" in f:
                notes.append("{0:,} of {1:,} places of the zone in use".format(*f["sessions"]))
            if "exported_bytes" in f:
                notes.append(f"{f['exported_bytes']:.0f} bytes exported a request")
            if f.get("dropped"):
                notes.append(f"{f['dropped']:,} RECORDS DROPPED: the figures above are too good")
            if notes:
                print(f"  {peer}: {', '.join(notes)}")
        show_bars(load["bars"])
    for size in report.get("cloud", []):
        print(f"\ncloud, {size['records']:,} records (SQLite): taken at {size['records_a_second']:,.0f} a second beside the "
              f"generator, {size['records_a_second_of_one_core']:,.0f} a second of one core's CPU; "
              f"{size['bytes_a_record']:.0f} bytes a record on disk; RSS {size['rss_kb'] / 1024:.0f} MB")
        if size["memory"]:
            at = lambda share: size["memory"][int((len(size["memory"]) - 1) * share)]
            memory = ", ".join("{1:.0f} MB after {0:,}".format(at(n / 4)[0], at(n / 4)[1] / 1024) for n in range(5))
            print(f"  meanwhile: RSS {memory}; nothing stored for {size['longest_pause_ms']:.0f} ms at worst")
        lists = ", ".join(f"{name} {ms:.0f}" for name, ms in size["lists_ms"].items())
        print(f"  lists, ms: {lists}\n  a session {size['detail_ms']:.0f} ms, its requests {size['requests_ms']:.0f} ms")
        if "lists_meanwhile_ms" in size:
            print("  while a million more arrive: a list in {0:.0f} ms, {1:.0f} ms at worst".format(*size["lists_meanwhile_ms"]))
    show_bars(report.get("cloud_bars", {}))


def show_bars(bars):
    for name, bar in bars.items():
        print(f"  {name}: {bar['value']:.2f} (bar {bar['bar']:g}: {'met' if bar['met'] else 'NOT met'})")


def of_cloud(sizes):
    last = sizes[-1]
    bar = lambda value, limit, least=False: {"value": value, "bar": limit, "met": value >= limit if least else value <= limit}
    return {
        "records a second of one core": bar(last["records_a_second_of_one_core"], 50000, True),
        f"slowest list over {last['records']:,} records, ms": bar(max(last["lists_ms"].values()), 200),
        "a session's detail, ms": bar(last["detail_ms"], 100),
    }
