"""The programs of record.sh: what runs at the two ends of its wire. Needs Python 3.9, and nothing else."""

import fcntl
import os
import random
import select
import socket
import struct
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer

ECHO = 7
HTTP = 80

# From one byte to what a frame holds; with 18, IPv4 makes Ethernet's shortest frame. IPv6 cuts the longest in two.
SIZES = [1, 2, 17, 18, 19, 64, 255, 512, 1024, 1232, 1471, 1472]
STREAMS = 5
ROUNDS = 5
# Around one page and two, what a jumbo frame holds, and more.
JUMBO_SIZES = [1, 4054, 4096, 8192, 8952, 8972, 12000]

# From Linux's if_ether.h, if_tun.h and if_packet.h; Python has no names for these.
ETH_P_ALL = 0x0003
ETH_P_8021Q = 0x8100
TUNSETIFF = 0x400454CA
IFF_TAP_NO_PI = 0x1002
SOL_PACKET = 263
PACKET_AUXDATA = 8
PACKET_IGNORE_OUTGOING = 23
TP_STATUS_VLAN_VALID = 0x10
AUXDATA = struct.Struct("=IIIHHHH")
SO_RCVBUFFORCE = 33

LONGEST = 65536
VLAN_PRIORITY = 3


def random_bytes(size):
    return random.Random(size).randbytes(size)


def text(size):
    lines = (f"Line {n} of a text of {size} bytes that says no more than this.\n" for n in range(1 + size // 40))
    return "".join(lines).encode()[:size]


class Server(ThreadingHTTPServer):
    address_family = socket.AF_INET6
    daemon_threads = True
    # The default of 5 is less than what connects at a time, and who is left out waits for a second.
    request_queue_size = 64

    def server_bind(self):
        # HTTPServer's own would ask a name server for this host's name.
        TCPServer.server_bind(self)


class Handler(BaseHTTPRequestHandler):
    # Keeps connections open, so that one carries several requests.
    protocol_version = "HTTP/1.1"
    # The default says which Python this is.
    server_version = "record"
    sys_version = ""

    def do_GET(self):
        kind, _, size = self.path.strip("/").partition("/")
        make = {"text": text, "bytes": random_bytes}.get(kind)
        if make is None or not size.isdigit():
            return self.send_error(404)
        body = make(int(size))
        self.send_response(200)
        self.send_header("Content-Type", "text/plain" if make is text else "application/octet-stream")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_PUT(self):
        rest = int(self.headers["Content-Length"])
        while rest > 0 and (part := self.rfile.read(min(rest, LONGEST))):
            rest -= len(part)
        self.send_response(201)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def serve(ready):
    """HTTP and echo over UDP, for IPv4 and IPv6. Makes the file `ready` when both listen."""
    http = Server(("::", HTTP), Handler)
    echo = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    echo.bind(("::", ECHO))
    threading.Thread(target=http.serve_forever, daemon=True).start()
    with open(ready, "w"):
        pass
    while True:
        payload, sender = echo.recvfrom(LONGEST)
        echo.sendto(payload, sender)


def streams(sizes, count, rounds, addresses):
    """Sends to the echo servers at `addresses`, on `count` sockets each, in turn: flows that interleave."""
    sockets = []
    for address in addresses:
        for _ in range(count):
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            sock = socket.socket(family, socket.SOCK_DGRAM)
            sock.settimeout(5)
            sock.connect((address, ECHO))
            sockets.append(sock)
    for turn in range(rounds):
        # Each stream begins at another size.
        sent = [random_bytes(sizes[(i + turn) % len(sizes)]) for i in range(len(sockets))]
        for sock, payload in zip(sockets, sent):
            sock.send(payload)
        for sock, payload in zip(sockets, sent):
            if sock.recv(LONGEST) != payload:
                raise SystemExit("an echo is not what was sent")


def vlan_of(ancillary):
    """The tag of a received frame, which Linux takes out of the frame's bytes. None if it had none."""
    for level, kind, data in ancillary:
        if level == SOL_PACKET and kind == PACKET_AUXDATA:
            status, *_, tci, _ = AUXDATA.unpack(data[: AUXDATA.size])
            if status & TP_STATUS_VLAN_VALID:
                return tci & 0xFFF
    return None


def vlan(tap_name, trunk_name, number):
    """A VLAN device made of a tap: tags what the tap sends, and hands it what comes with the tag."""
    tag = struct.pack("!HH", ETH_P_8021Q, VLAN_PRIORITY << 13 | number)
    tap = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(tap, TUNSETIFF, struct.pack("16sH22x", tap_name.encode(), IFF_TAP_NO_PI))
    trunk = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    trunk.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
    trunk.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
    # A burst of jumbo frames must not be lost here.
    trunk.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 24)
    trunk.bind((trunk_name, ETH_P_ALL))
    while True:
        readable, _, _ = select.select([tap, trunk], [], [])
        if tap in readable:
            frame = os.read(tap, LONGEST)
            trunk.send(frame[:12] + tag + frame[12:])
        if trunk in readable:
            frame, ancillary, _, _ = trunk.recvmsg(LONGEST, socket.CMSG_SPACE(AUXDATA.size))
            if vlan_of(ancillary) == number:
                os.write(tap, frame)


if __name__ == "__main__":
    program, *args = sys.argv[1:]
    if program == "serve":
        serve(*args)
    elif program == "vlan":
        vlan(args[0], args[1], int(args[2]))
    elif program == "streams":
        streams(SIZES, STREAMS, ROUNDS, args)
    elif program == "jumbo-streams":
        streams(JUMBO_SIZES, 1, len(JUMBO_SIZES), args)
    else:
        raise SystemExit(f"record.py: no program {program}")
