"""Job stats with python3-libvirt: job-stats.py URI SAMPLES UUID...; prints what job-stats.c does."""

import json
import sys
import time

import libvirt


def main():
    uri, samples = sys.argv[1], int(sys.argv[2])
    connection = libvirt.open(uri)
    domains = [connection.lookupByUUIDString(uuid) for uuid in sys.argv[3:]]
    for turn in range(samples // 10):
        domains[turn % len(domains)].jobStats()
    cpu, wall = time.process_time(), time.monotonic()
    for turn in range(samples):
        domains[turn % len(domains)].jobStats()
    took = {"cpuMs": 1e3 * (time.process_time() - cpu), "wallMs": 1e3 * (time.monotonic() - wall)}
    print(json.dumps({**took, "samples": samples}))


main()
