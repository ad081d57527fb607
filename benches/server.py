"""Is the fake AWS fast enough not to be what the other benchmarks measure?

    python3 benches/server.py [--seconds N]

Answers per second over 64 kept connections, plain HTTP; the load generator uses the same CPUs. AWS allows 10,000
GetSecretValue and 100 BatchGetSecretValue a second.
"""

import argparse
import subprocess

import lab

LOAD = lab.TARGET / "server" / "load"
CONNECTIONS = 64
WANTED = 20_000


def answers_per_second(server: lab.Fake, ids: int, seconds: int) -> int:
    """How many calls with so many ids each are answered in a second."""
    names = [lab.PREFIX + name for name in lab.conn_ids(1000)]
    words = [LOAD, server.address, lab.account(1000), lab.REGION, seconds, CONNECTIONS, ids, *names]
    return int(subprocess.run(list(map(str, words)), capture_output=True, text=True, check=True).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=3)
    seconds = parser.parse_args().seconds
    lab.prepare()
    for threads in (1, 2):
        # The quotas cost what they cost in a herd, but let everything pass.
        document = lab.scenario([1000], log_limit=0, quotas=[{"operations": ["GetSecretValue"], "rate": 1e9, "burst": 1e9}])
        with lab.fake(tls=False, document=document, threads=threads) as server:
            single = answers_per_second(server, 1, seconds)
            batches = answers_per_second(server, 20, seconds)
            judged = "PASS" if single >= WANTED else "MISS"
            print(f"{threads} thread(s): {single:,} GetSecretValue/s ({judged}, wanted {WANTED:,}), {batches:,} BatchGetSecretValue of 20/s")


if __name__ == "__main__":
    main()
