"""Compares the module's JA4 with tshark's, over the bytes that clients send to NGINX. Run by scripts/compare-ja4
inside a root that has NGINX with the module, tshark, Go, curl, OpenSSL and Python."""

import re
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

HERE = Path(__file__).parent
NAME = "www.example.com"
REQUEST = f"GET / HTTP/1.1\r\nHost: {NAME}\r\nConnection: close\r\n\r\n"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Relay:
    """Passes connections on, and keeps what each client has sent."""

    def __init__(self, server, record_size=None):
        self.server, self.record_size, self.sent = server, record_size, []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            client, _ = self.listener.accept()
            server = socket.create_connection(("127.0.0.1", self.server))
            kept = bytearray()
            self.sent.append(kept)
            threading.Thread(target=self.copy, args=(server, client, None), daemon=True).start()
            threading.Thread(target=self.copy, args=(client, server, kept), daemon=True).start()

    def copy(self, source, target, kept):
        try:
            while data := source.recv(65536):
                if kept is not None:
                    if self.record_size and not kept:
                        data = in_records(data, self.record_size)
                    kept += data
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass


def in_records(data, size):
    """A ClientHello in TLS records of so many bytes."""
    content = data[5:]
    parts = (content[at : at + size] for at in range(0, len(content), size))
    return b"".join(data[:3] + struct.pack(">H", len(part)) + part for part in parts)


def capture(path, connections):
    """Writes what clients have sent as a capture of raw IP packets, each client from a port of its own."""
    with open(path, "wb") as out:
        out.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101))
        for index, data in enumerate(connections):
            port, sequence = 10000 + index, 1000
            packets = [(0, 0x02, b""), (1, 0x12, b""), (0, 0x10, b"")]
            packets += [(0, 0x18, data[at : at + 1400]) for at in range(0, len(data), 1400)]
            for back, flags, payload in packets:
                ports = (443, port) if back else (port, 443)
                numbers = (5000, 1001) if back else (sequence, 0 if flags == 2 else 5001)
                tcp = struct.pack(">HHIIBBHHH", *ports, *numbers, 5 << 4, flags, 65535, 0, 0)
                addresses = [bytes([10, 0, 0, 1]), bytes([10, 0, 0, 2])]
                if back:
                    addresses.reverse()
                length = 20 + len(tcp) + len(payload)
                ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, length, 0, 0, 64, 6, 0, *addresses)
                packet = ip + tcp + payload
                out.write(struct.pack("<IIII", index, 0, len(packet), len(packet)) + packet)
                if not back:
                    sequence += 1 if flags == 2 else len(payload)


def of_tshark(path):
    """JA4 and its raw form of each client's first ClientHello."""
    words = ["tshark", "-r", path, "-Y", "tls.handshake.type == 1", "-T", "fields"]
    for field in ["tcp.srcport", "tls.handshake.ja4", "tls.handshake.ja4_r"]:
        words += ["-e", field]
    found = {}
    for line in subprocess.run(words, check=True, capture_output=True, text=True).stdout.splitlines():
        port, ja4, raw = line.split("\t")
        found.setdefault(int(port) - 10000, (ja4.split(",t")[0], raw.split(",t")[0]))
    return found


def python(port, configure=lambda context: None, protocols=None):
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if protocols:
        context.set_alpn_protocols(protocols)
    configure(context)
    with context.wrap_socket(socket.create_connection(("127.0.0.1", port), 20), server_hostname=NAME) as tls:
        tls.sendall(REQUEST.encode())
        return b"".join(iter(lambda: tls.recv(65536), b"")).decode()


def run(words, text=None):
    done = subprocess.run(words, input=text, capture_output=True, text=True, timeout=60)
    if done.returncode:
        raise SystemExit(f"{words}: {done.stderr}")
    return done.stdout


def clients(work):
    """Names, and functions that make requests to a port and return the answers."""

    def curl(*words):
        def ask(port):
            resolve = f"{NAME}:{port}:127.0.0.1"
            return run(["curl", "-sSk", "--resolve", resolve, f"https://{NAME}:{port}/", *words])

        return " ".join(["curl", *words]), ask

    def s_client(*words):
        def ask(port):
            own = ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-quiet", "-ign_eof"]
            return run([*own, *words], REQUEST)

        shown = " ".join(words).replace(str(work) + "/", "")
        return f"s_client {shown[:60]}", ask

    def go(*words):
        return " ".join(["Go", *words]), lambda port: run([str(work / "client"), "-address", f"127.0.0.1:{port}", *words])

    def old(context):
        context.maximum_version = ssl.TLSVersion.TLSv1_2

    many = ",".join(str(kind) for kind in range(60000, 60100))
    session = str(work / "session")
    (work / "early").write_text(REQUEST)
    yield curl()
    yield curl("--http1.1")
    yield curl("--no-alpn")
    yield curl("--tls-max", "1.2")
    yield "curl by address", lambda port: run(["curl", "-sSk", f"https://127.0.0.1:{port}/"])
    for words in [
        [],
        ["-tls1_2"],
        ["-tls1_3"],
        ["-noservername"],
        ["-servername", NAME],
        ["-alpn", "http/1.1"],
        ["-alpn", "h,http/1.1"],
        ["-tls1_2", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES128-GCM-SHA256"],
        ["-ciphersuites", "TLS_CHACHA20_POLY1305_SHA256"],
        ["-cipher", "ALL:COMPLEMENTOFALL:@SECLEVEL=0"],
        ["-sigalgs", "ECDSA+SHA256:RSA-PSS+SHA256"],
        ["-status"],
        ["-tls1_2", "-no_ticket"],
        ["-serverinfo", many],
        ["-tls1_3", "-sess_out", session],
        ["-tls1_3", "-sess_in", session],
        ["-tls1_3", "-sess_in", session, "-early_data", str(work / "early")],
    ]:
        yield s_client(*words)
    yield "Python", python
    yield "Python, ALPN", lambda port: python(port, protocols=["http/1.1"])
    yield "Python, TLS 1.2", lambda port: python(port, old)
    yield go()
    yield go("-alpn", "http/1.1")
    yield go("-tls12")
    yield go("-twice")


def start_nginx(work, module):
    port = free_port()
    names = ["-subj", "/CN=localhost", "-keyout", work / "key", "-out", work / "certificate"]
    run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", *map(str, names)])
    (work / "nginx.conf").write_text(f"""
load_module {module};
user root;
daemon off;
worker_processes 1;
pid {work}/pid;
error_log {work}/error.log notice;
events {{}}
http {{
    access_log off;
    client_body_temp_path {work}/body;
    proxy_temp_path {work}/proxy;
    fastcgi_temp_path {work}/fastcgi;
    uwsgi_temp_path {work}/uwsgi;
    scgi_temp_path {work}/scgi;
    api_sessions on;
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_certificate {work}/certificate;
    ssl_certificate_key {work}/key;
    ssl_session_cache shared:tls:1m;
    ssl_early_data on;
    server {{
        listen 127.0.0.1:{port} ssl http2;
        return 200 "ja4=$api_session_ja4 stable=$api_session_ja4_stable raw=$api_session_ja4_raw end\\n";
    }}
}}
""")
    process = subprocess.Popen(["nginx", "-p", work, "-c", work / "nginx.conf", "-e", work / "error.log"])
    for _ in range(200):
        with socket.socket() as probe:
            if not probe.connect_ex(("127.0.0.1", port)):
                return process, port
        time.sleep(0.05)
    raise SystemExit((work / "error.log").read_text())


def main():
    module = sys.argv[1]
    with tempfile.TemporaryDirectory() as directory:
        work = Path(directory)
        run(["go", "build", "-o", str(work / "client"), str(HERE / "client.go")])
        process, port = start_nginx(work, module)
        try:
            shown, names = [], []
            whole, cut = Relay(port), Relay(port, 100)
            asked = [(name, ask, whole) for name, ask in clients(work)]
            asked += [(f"{name}, records of 100 bytes", ask, cut) for name, ask in asked_once(work)]
            connections = []
            for name, ask, relay in asked:
                before = len(relay.sent)
                found = re.findall(r"ja4=(\S*) stable=\S* raw=(\S*) end", ask(relay.port))
                sent = [bytes(data) for data in relay.sent[before:] if data]
                if not found or len(found) != len(sent):
                    raise SystemExit(f"{name}: {len(found)} answers to {len(sent)} connections")
                names += [name] * len(found)
                shown += found
                connections += sent
        finally:
            process.terminate()
            process.wait()
        capture(work / "capture.pcap", connections)
        theirs = of_tshark(work / "capture.pcap")
    different = 0
    for index, (name, ours) in enumerate(zip(names, shown)):
        same = theirs.get(index) == ours
        different += not same
        print(f"{'equal' if same else 'DIFFERENT'}  {ours[0]}  {name}")
        if not same:
            print(f"    here:   {ours}\n    tshark: {theirs.get(index)}")
    print(f"{len(names) - different} of {len(names)} equal")
    return different != 0


def asked_once(work):
    return [(name, ask) for name, ask in clients(work) if name in ("curl", "Python", "Go")]


if __name__ == "__main__":
    sys.exit(main())
