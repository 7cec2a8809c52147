"""Clients: browsers with a cookie jar and without cookies, a client with tokens, a client of MCP. Each notes what it sends and gets."""
import http.client
import itertools
import json
import random
import re
import threading
import time
import urllib.parse

NUMBERS = itertools.count()


class Exchange:
    """One request and its answer, as the client knows them; `session` is what NGINX's log says."""

    def __init__(self, visitor, line):
        self.number, self.visitor, self.line = str(next(NUMBERS)), visitor, line
        # Values that the application has given out, brought or issued.
        self.brought, self.issued = set(), set()
        self.session = self.source = self.joined = None

    @property
    def values(self):
        return self.brought | self.issued

    @property
    def is_asset(self):
        return ".css" in self.line


class Browser:
    """A cookie jar that sends values back byte for byte, and follows redirects."""

    def __init__(self, ports, name, address, agent, log, keeps_cookies=True):
        self.ports, self.name, self.address, self.agent, self.log = ports, name, address, agent, log
        # What pages set with scripts: the same for all, or made up.
        self.decoys = {"theme": "dark", "_ga": f"GA1.1.{random.randrange(10**9)}.{random.randrange(10**9)}"}
        self.jar, self.keeps_cookies, self.lock = {}, keeps_cookies, threading.Lock()

    def exchange(self, method, path, body, headers, brought=()):
        """Sends a request. The answer, its body and what is noted of it."""
        noted = Exchange(self.name, f"{method} {path}")
        noted.brought.update(brought)
        with self.lock:
            jar = dict(self.jar)
        noted.brought.update(jar.items())
        headers = {"Host": "app.example", "User-Agent": self.agent, "X-Forwarded-For": self.address,
                   "X-Number": noted.number, **headers}
        if self.keeps_cookies:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in {**self.decoys, **jar}.items())
        # A balancer that knows no visitors.
        port = random.choice(self.ports) if len(self.ports) > 1 else self.ports[0]
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        text = answer.read()
        with self.lock:
            for header in answer.msg.get_all("Set-Cookie") or []:
                self.store(header, noted)
        connection.close()
        self.log.append(noted)
        return answer, text, noted

    def request(self, method, path, form=None, redirects=4):
        headers, body = {}, None
        if form is not None:
            body = urllib.parse.urlencode(form)
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        answer, _, _ = self.exchange(method, path, body, headers)
        if answer.status in (301, 302, 303, 307) and redirects:
            to = urllib.parse.urlsplit(answer.headers["Location"])
            return self.request("GET", (to.path or "/") + ("?" + to.query if to.query else ""), None, redirects - 1)
        return answer.status

    def store(self, header, noted):
        pair, *attributes = header.split(";")
        name, _, value = pair.strip().partition("=")
        gone = not value
        for attribute in attributes:
            key, _, text = attribute.strip().partition("=")
            gone |= key.lower() == "max-age" and text.strip().lstrip("-").isdigit() and int(text) <= 0
            gone |= key.lower() == "expires" and "1970" in text
        if not gone:
            noted.issued.add((name, value))
        if not self.keeps_cookies:
            return
        if gone:
            self.jar.pop(name, None)
        else:
            self.jar[name] = value

    def burst(self, paths):
        threads = [threading.Thread(target=self.request, args=("GET", path)) for path in paths]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]

    def pause(self):
        time.sleep(random.uniform(0.005, 0.03))


class TokenClient(Browser):
    """A single-page application: tokens in JSON, sent in `Authorization`; the access token is renewed often."""

    def __init__(self, *words, **options):
        super().__init__(*words, **options)
        self.tokens, self.sent = {}, 0

    def request(self, method, path, form=None, redirects=4):
        if path == "/login" or (self.tokens and self.sent % 4 == 3 and path == "/cart"):
            refresh = {"refresh_token": self.tokens["refresh_token"]} if path != "/login" else form
            self.post("/refresh" if path != "/login" else path, refresh)
        if path == "/login":
            return None
        headers, brought = {}, []
        if self.tokens and ".css" not in path:
            self.sent += 1
            headers["Authorization"] = "Bearer " + self.tokens["access_token"]
            brought = [("token", self.tokens["access_token"])]
        body = None
        if form is not None:
            headers["Content-Type"], body = "application/json", json.dumps(form)
        self.exchange(method, path, body, headers, brought)
        if path == "/logout":
            self.tokens = {}
        return None

    def post(self, path, document):
        brought = [("token", value) for name, value in document.items() if name == "refresh_token"]
        headers = {"Content-Type": "application/json"}
        answer, text, noted = self.exchange("POST", path, json.dumps(document), headers, brought)
        if answer.status == 200:
            self.tokens = {name: value for name, value in json.loads(text).items() if name.endswith("_token")}
            noted.issued.update(("token", value) for value in self.tokens.values())
        self.sent = 0


class LinkClient(Browser):
    """A browser without cookies, whose session is in the links of pages: `;jsessionid=`."""

    LINK = re.compile(";jsessionid=([0-9A-F]+)")

    def __init__(self, *words, **options):
        super().__init__(*words, **options)
        self.session = None

    def request(self, method, path, form=None, redirects=4):
        headers, body, brought = {}, None, []
        if form is not None:
            body = urllib.parse.urlencode(form)
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        path, _, _ = path.partition(";")
        with self.lock:
            session = self.session
        if session and ".css" not in path:
            brought, path = [("JSESSIONID", session)], f"{path};jsessionid={session}"
        answer, text, noted = self.exchange(method, path, body, headers, brought)
        to = urllib.parse.urlsplit(answer.headers["Location"] or "").path
        link = self.LINK.search(to) or self.LINK.search(text.decode(errors="replace"))
        with self.lock:
            if link:
                self.session = link[1]
                noted.issued.add(("JSESSIONID", link[1]))
            elif path.startswith("/logout"):
                self.session = None
        if answer.status in (301, 302, 303, 307) and redirects:
            return self.request("GET", to or "/", None, redirects - 1)
        return answer.status


class McpClient(Browser):
    """A client of an MCP server over HTTP: `initialize` issues the session, each message brings it."""

    def __init__(self, *words, **options):
        super().__init__(*words, **options, keeps_cookies=False)
        self.session, self.messages = None, 0

    def request(self, method, path, form=None, redirects=4):
        if ".css" in path:
            return
        if path == "/logout":
            if self.session:
                self.send("DELETE", None)
            self.session = None
            return
        if not self.session:
            answer, noted = self.send("POST", self.message("initialize", {
                "protocolVersion": "2025-03-26", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}))
            self.session = answer.headers["Mcp-Session-Id"]
            noted.issued.add(("mcp", self.session))
            self.send("POST", {"jsonrpc": "2.0", "method": "notifications/initialized"})
        self.send("POST", self.message("tools/call", {"name": "add", "arguments": {"a": 1, "b": 2}}))

    def message(self, method, params):
        self.messages += 1
        return {"jsonrpc": "2.0", "id": self.messages, "method": method, "params": params}

    def send(self, method, message):
        headers = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
        brought = []
        if self.session:
            headers["Mcp-Session-Id"] = self.session
            brought = [("mcp", self.session)]
        answer, _, noted = self.exchange(method, "/mcp", message and json.dumps(message), headers, brought)
        return answer, noted
