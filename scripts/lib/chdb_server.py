"""Today's ClickHouse engine (the PyPI package chdb-core) behind as much of ClickHouse's HTTP interface as
api-sessions-cloud uses: so that its SQL is tried against an engine that Debian does not have.

    chdb_server.py PORT DIRECTORY

One query at a time: the engine lives in this process.
"""
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from chdb import session

engine = session.Session(sys.argv[2])
lock = threading.Lock()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def body(self):
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def do_POST(self):
        options = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
        body = self.body()
        # For an insert, the statement is in the query string and the rows are in the body.
        sql = options.get("query", "")
        sql = (sql + "\n" if sql else "") + body.decode("utf-8", "replace")
        try:
            with lock:
                engine.query("USE " + options.get("database", "default"))
                settings = options.get("output_format_json_quote_64bit_integers")
                if settings is not None:
                    engine.query(f"SET output_format_json_quote_64bit_integers = {settings}")
                answer = engine.query(sql, options.get("default_format", "TabSeparated"))
                data = answer.bytes() if answer is not None and answer.size() else b""
            self.answer(200, data)
        except Exception as error:
            self.answer(500, str(error).encode())

    def answer(self, status, data):
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
