#!/usr/bin/env python3
"""Compares counts of count.py with those in a file: neither instructions nor locked instructions may rise by more than 5%.
With --write the counts are written into the file instead."""

import argparse
import json
import platform
import subprocess
import sys

MOST = 1.05


def tools():
    """What changes the counts although the source is the same."""
    rustc = subprocess.run(["rustc", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    return {"rustc": rustc, "libc": " ".join(platform.libc_ver())}


def what(counted):
    return "{driver}, {connections} connections, workers: {workers}".format(**counted)


def compare(before, now):
    """Tells how they differ; returns whether one has risen too much."""
    risen = False
    for key in ["instructions", "locked"]:
        ratio = now[key] / before[key]
        verdict = "ROSE" if ratio > MOST else "fell: lower the baseline" if ratio < 2 - MOST else "as before"
        risen |= ratio > MOST
        print(f"{what(now):<48} {key:<12} {before[key]:>8.1f} {now[key]:>8.1f} {ratio:>6.3f} {verdict}")
    return risen


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("baseline")
    parser.add_argument("counts", nargs="+", help="files that `count.py --json` has written")
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    counts = [json.load(open(file, encoding="utf-8")) for file in arguments.counts]
    if arguments.write:
        kept = ["driver", "connections", "workers", "instructions", "locked"]
        baseline = {"tools": tools(), "counts": [{key: counted[key] for key in kept} for counted in counts]}
        with open(arguments.baseline, "w", encoding="utf-8") as file:
            file.write(json.dumps(baseline, indent=2) + "\n")
        return
    baseline = json.load(open(arguments.baseline, encoding="utf-8"))
    known = {what(counted): counted for counted in baseline["counts"]}
    unknown = [what(counted) for counted in counts if what(counted) not in known]
    if unknown:
        sys.exit(f"{arguments.baseline} has no such counts: {'; '.join(unknown)}")
    risen = [what(counted) for counted in counts if compare(known[what(counted)], counted)]
    if baseline["tools"] != tools():
        print(f"the baseline is of {baseline['tools']}, and these counts are of {tools()}: a part of the difference may be theirs")
    if risen:
        sys.exit(f"more than {MOST} of what {arguments.baseline} has: {'; '.join(risen)}")


main()
