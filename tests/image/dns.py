"""A name server on 127.0.0.1:53 that knows a few names: dns.py ADDRESS NAME... Needs root; serves until stdin ends."""

import select
import socket
import struct
import sys


def main() -> None:
    """Answers A with the address, AAAA with nothing, other names with NXDOMAIN."""
    address, *names = sys.argv[1:]
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 53))
    print("ready", flush=True)
    while server in select.select([server, sys.stdin], [], [])[0]:
        query, client = server.recvfrom(4096)
        labels, at = [], 12
        while query[at]:
            labels.append(query[at + 1 : at + 1 + query[at]].decode())
            at += 1 + query[at]
        question = query[12 : at + 5]
        kind = struct.unpack(">H", query[at + 1 : at + 3])[0]
        known = ".".join(labels).lower() in names
        answer = b""
        if known and kind == 1:
            answer = b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 60, 4) + socket.inet_aton(address)
        flags = 0x8180 if known else 0x8183
        server.sendto(query[:2] + struct.pack(">HHHHH", flags, 1, bool(answer), 0, 0) + question + answer, client)


main()
