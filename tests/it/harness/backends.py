"""Upstreams of other protocols than HTTP/1: each answers with the length and the MD5 of the body it was sent.

Prints its ports as a JSON object, and ends with its standard input.
"""
import hashlib
import json
import socket
import struct
import sys
import threading


def summary(body):
    return f"{len(body)} {hashlib.md5(body).hexdigest()}".encode()


def http(body, first=b"HTTP/1.1 200 OK"):
    text = summary(body)
    return first + b"\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n" % len(text) + text


def exactly(file, size):
    data = file.read(size)
    if len(data) != size:
        raise EOFError
    return data


def uwsgi(file):
    _, size, _ = struct.unpack("<BHB", exactly(file, 4))
    block, variables = exactly(file, size), []
    while block:
        length = struct.unpack("<H", block[:2])[0]
        variables.append(block[2:2 + length])
        block = block[2 + length:]
    variables = dict(zip(variables[::2], variables[1::2]))
    file.write(http(exactly(file, int(variables[b"CONTENT_LENGTH"] or 0))))


def scgi(file):
    size = b""
    while not size.endswith(b":"):
        size += exactly(file, 1)
    fields = exactly(file, int(size[:-1]) + 1)[:-1].split(b"\0")
    length = int(dict(zip(fields[::2], fields[1::2]))[b"CONTENT_LENGTH"])
    file.write(http(exactly(file, length), b"Status: 200 OK"))


def fastcgi(file):
    body = b""
    while True:
        _, kind, _, length, padding, _ = struct.unpack(">BBHHBB", exactly(file, 8))
        data = exactly(file, length + padding)[:length]
        if kind == 5:
            body += data
            if not data:
                break
    text = http(body, b"Status: 200 OK")
    file.write(struct.pack(">BBHHBB", 1, 6, 1, len(text), 0, 0) + text)
    file.write(struct.pack(">BBHHBB", 1, 6, 1, 0, 0, 0))
    file.write(struct.pack(">BBHHBB", 1, 3, 1, 8, 0, 0) + bytes(8))


def memcached(file):
    key = file.readline().split()[1]
    file.write(b"VALUE %s 0 5\r\nvalue\r\nEND\r\n" % key)


def grpc(file):
    def send(kind, flags, stream, payload):
        file.write(struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload)
        file.flush()

    exactly(file, 24)
    send(4, 0, 0, b"")
    body = b""
    while True:
        head = exactly(file, 9)
        length, kind, flags, stream = struct.unpack(">I", b"\0" + head[:3])[0], head[3], head[4], head[5:]
        payload = exactly(file, length)
        if kind == 4 and not flags & 1:
            send(4, 1, 0, b"")
        if kind == 0:
            body += payload
            for window in [0, 1]:
                if length:
                    send(8, 0, window, struct.pack(">I", length))
        if kind in (0, 1) and flags & 1:
            break
    # `:status: 200`, and the body.
    send(1, 4, 1, b"\x88")
    send(0, 1, 1, summary(body))
    # NGINX closes; it takes an end that comes with the answer for one that comes too early.
    while file.read(65536):
        pass


def serve(answer):
    listener = socket.create_server(("127.0.0.1", 0), backlog=100)

    def talk(connection):
        with connection, connection.makefile("rwb") as file:
            try:
                answer(file)
                file.flush()
                connection.shutdown(socket.SHUT_WR)
                # What the other side still sends is taken: closing before would reset the connection.
                while file.read(65536):
                    pass
            except (OSError, EOFError):
                pass

    def accept():
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=talk, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return listener.getsockname()[1]


print(json.dumps({answer.__name__: serve(answer) for answer in [uwsgi, scgi, fastcgi, memcached, grpc]}), flush=True)
sys.stdin.read()
