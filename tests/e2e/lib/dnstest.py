"""For tests of what asks the DNS: a name server on loopback."""
import contextlib
import socket
import struct
import threading

A, CNAME, PTR, MX, TXT, AAAA = 1, 5, 12, 15, 16, 28


def encode(name):
    """A name as it travels; bytes are taken as they are."""
    if isinstance(name, bytes):
        return name
    labels = [part for part in name.encode().split(b".") if part]
    return b"".join(bytes([len(part)]) + part for part in labels) + b"\0"


def data_of(kind, value):
    if kind in (A, AAAA):
        return socket.inet_pton(socket.AF_INET6 if kind == AAAA
                                else socket.AF_INET, value)
    if kind == MX:
        return struct.pack(">H", 10) + encode(value)
    if kind == TXT:
        return bytes([len(value)]) + value.encode()
    return encode(value)


def reply(query, zones, ttl):
    """To one question. What zones says of (name, type): a list of values, a
    number (the answer's code), bytes (the whole answer), or None for silence.
    A name that it does not have does not exist."""
    at, labels = 12, []
    while query[at]:
        labels.append(query[at + 1:at + 1 + query[at]].decode())
        at += 1 + query[at]
    at += 5
    name, kind = ".".join(labels).lower(), query[at - 3]
    known = any(key[0] == name for key in zones)
    found = zones.get((name, kind), [] if known else 3)
    if found is None:
        return name, kind, None
    if isinstance(found, bytes):
        return name, kind, query[:2] + found
    code = found if isinstance(found, int) else 0
    values = [] if code else found
    head = struct.pack(">HHHHH", 0x8180 | code, 1, len(values), 0, 0)
    records = b"".join(
        b"\xc0\x0c" + struct.pack(">HHIH", kind, 1, ttl, len(data)) + data
        for data in (data_of(kind, value) for value in values))
    return name, kind, query[:2] + head + query[12:at] + records


class Server:
    """Its place is for -s; asked has what it was asked, and what it was asked
    again since its answer did not come at once."""

    def __init__(self, zones, ttl=300, family=socket.AF_INET, place=None):
        self.zones, self.ttl, self.asked = zones, ttl, []
        self.numbers = []
        self.socket = socket.socket(family, socket.SOCK_DGRAM)
        self.socket.bind(place or ("127.0.0.1", 0))
        self.place = "127.0.0.1:%d" % self.socket.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            query, peer = self.socket.recvfrom(4096)
            if not query:
                return
            name, kind, answer = reply(query, self.zones, self.ttl)
            self.asked.append((name, kind))
            self.numbers.append(query[:2])
            if answer is not None:
                self.socket.sendto(answer, peer)

    def questions(self):
        """What it was asked; nothing twice that was only said twice."""
        return [(name, kind) for _, name, kind in dict.fromkeys(
            (number, *one) for number, one in zip(self.numbers, self.asked))]

    def end(self):
        with socket.socket(self.socket.family, socket.SOCK_DGRAM) as one:
            one.sendto(b"", self.socket.getsockname())


@contextlib.contextmanager
def server(zones, **options):
    one = Server(zones, **options)
    try:
        yield one
    finally:
        one.end()
