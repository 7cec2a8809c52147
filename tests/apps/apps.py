"""The applications: how each is started, and who visits it."""
from browser import Browser, LinkClient, McpClient, TokenClient

# Least V and homogeneity of an application. At a shared address a logout that deletes the cookie splits a visitor: 0.93.
LEAST = {"hard": 0.90, "easy": 0.97, "nat": 0.90}
LEAST_HOMOGENEITY = 0.98
# Least mean V of the applications whose clients keep what they are given: 0.01 to 0.02 below what a quiet machine
# reaches, since the order of requests is left to chance.
LEAST_MEAN = {"hard": 0.96, "easy": 0.98, "nat": 0.965}
# Where each user of one browser is a session of its own, since the tokens say so.
TOKENS = {**LEAST, "easy": 0.93}
# The first pages of clients without cookies are of their address.
LINKS = {"hard": 0.80, "easy": 0.90, "nat": 0.85}


class App:
    """An application; `keeps`: its clients keep what they are given; `library`: a file that not every Debian has."""

    def __init__(self, kind, script, *words, client=Browser, keeps=True, least=LEAST, library=None):
        self.kind, self.script, self.words, self.library = kind, script, words, library
        self.make, self.keeps, self.least = client, keeps, least

    def client(self, ports, name, address, agent, log):
        if self.keeps:
            return self.make(ports, name, address, agent, log)
        return self.make(ports, name, address, agent, log, keeps_cookies=False)

    def command(self, here, deps, directory, port):
        """Words that start it on a port of 127.0.0.1."""
        script = f"{here}/{self.script}"
        programs = {"python": f"{deps}/venv/bin/python", "node": "node", "ruby": "ruby"}
        if self.kind == "php":
            return ["php", "-S", f"127.0.0.1:{port}", "-d", f"session.save_path={directory}", script]
        if self.kind == "shell":
            return ["bash", script, str(port), directory]
        return [programs[self.kind], script, str(port), *self.words]


APPS = {
    "flask": App("python", "flask_app.py"),
    "django": App("python", "django_app.py"),
    "django-signed": App("python", "django_app.py", "signed"),
    "starlette": App("python", "starlette_app.py"),
    "express-session": App("node", "express_app.js"),
    "express-rolling": App("node", "express_app.js", "rolling"),
    "cookie-session": App("node", "express_app.js", "cookie"),
    "koa-session": App("node", "koa_app.js"),
    "fastify-session": App("node", "fastify_app.js"),
    "iron-session": App("node", "iron_app.mjs"),
    "authjs": App("node", "authjs_app.mjs"),
    "php": App("php", "php_app.php"),
    "laravel": App("php", "laravel_app.php", library="/usr/share/php/Illuminate/Session/autoload.php"),
    "tomcat": App("shell", "tomcat_app.sh"),
    "tomcat-links": App("shell", "tomcat_app.sh", client=LinkClient, keeps=False, least=LINKS),
    "rack-cookie": App("ruby", "rack_app.rb"),
    "fastapi-tokens": App("python", "fastapi_app.py", client=TokenClient, least=TOKENS),
    "mcp": App("python", "mcp_app.py", client=McpClient),
    "no-cookies": App("python", "nocookies_app.py", keeps=False, least={}),
}
