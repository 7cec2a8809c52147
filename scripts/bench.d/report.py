"""The table of ratios of scripts/bench, from lines of

    load round peer cpu_ticks instructions_a_request requests rss_kb

and the same as JSON. Ratios are of one round to bare NGINX in the same round; medians over rounds, with
the least and the greatest.
"""
import json
import os
import sys
from statistics import median

rounds_file, machine, as_json = sys.argv[1], sys.argv[2], sys.argv[3] == "json"
hertz = os.sysconf("SC_CLK_TCK")
seen = {}
for line in open(rounds_file):
    load, number, peer, ticks, instructions, requests, rss = line.split()
    if int(requests) == 0:
        sys.exit(f"no request was answered: {line}")
    seen.setdefault(load, {}).setdefault(int(number), {})[peer] = {
        "cpu_us": int(ticks) / hertz * 1e6 / int(requests),
        "instructions": int(instructions) if instructions != "-" else None,
        "requests": int(requests),
        "rss_kb": int(rss),
    }

report = {"machine": machine, "loads": {}}
for load, rounds in seen.items():
    peers = {}
    for peer in next(iter(rounds.values())):
        ours = [(by[peer], by["bare"]) for by in rounds.values()]
        added = [mine["cpu_us"] - bare["cpu_us"] for mine, bare in ours]
        ratio = [mine["cpu_us"] / bare["cpu_us"] for mine, bare in ours]
        figures = {
            "cpu_us": median(mine["cpu_us"] for mine, _ in ours),
            "added_cpu_us": median(added),
            "added_cpu_us_spread": [min(added), max(added)],
            "cpu_ratio": median(ratio),
            "throughput_ratio": median(mine["requests"] / bare["requests"] for mine, bare in ours),
            "rss_kb": max(mine["rss_kb"] for mine, _ in ours),
        }
        if ours[0][0]["instructions"] is not None:
            mine, bare = ours[0]
            figures["added_instructions"] = mine["instructions"] - (bare["instructions"] or 0)
        peers[peer] = figures
    report["loads"][load] = {"peers": peers, "rounds": len(rounds)}
    if "access_log" in peers and "export" in peers:
        logged, export = peers["access_log"], peers["export"]
        bars = {"export_to_access_log_cpu": {"ratio": export["added_cpu_us"] / max(logged["added_cpu_us"], 0.01), "bar": 1.0}}
        if "added_instructions" in export and "added_instructions" in logged:
            bars["export_to_access_log_instructions"] = {"ratio": export["added_instructions"] / max(logged["added_instructions"], 1), "bar": 1.0}
        for bar in bars.values():
            bar["met"] = bar["ratio"] <= bar["bar"]
        report["loads"][load]["bars"] = bars

if as_json:
    json.dump(report, sys.stdout, indent=1)
    print()
    sys.exit()
print(f"\n{machine}")
for load, result in report["loads"].items():
    print(f"\n{load}, {result['rounds']} rounds")
    print(f"{'':12} {'CPU a request':>14} {'ratio':>6} {'added':>9} {'(least to most)':>17} {'instructions':>13} {'throughput':>11} {'worker RSS':>11}")
    for peer, f in result["peers"].items():
        least, most = f["added_cpu_us_spread"]
        instructions = f"{f['added_instructions']:+13.0f}" if "added_instructions" in f else f"{'-':>13}"
        print(f"{peer:12} {f['cpu_us']:11.2f} us {f['cpu_ratio']:6.2f} {f['added_cpu_us']:+6.2f} us ({least:+6.2f} to {most:+6.2f}) {instructions} {f['throughput_ratio']:10.2f}x {f['rss_kb'] / 1024:8.1f} MB")
    for name, bar in result.get("bars", {}).items():
        print(f"  {name}: {bar['ratio']:.2f} (bar: at most {bar['bar']}, {'met' if bar['met'] else 'NOT met'})")
