"""One NGINX, or several with one cloud, in front of an application."""
import json
import os
import signal
import subprocess
import time
import urllib.error
import urllib.request

from processes import free_port, wait_for

CONF = """user root; load_module {module}; daemon off; worker_processes 2; pid {dir}/pid;
error_log {dir}/error.log notice; events {{ worker_connections 512; }}
http {{
  client_body_temp_path {dir}/b; proxy_temp_path {dir}/p; fastcgi_temp_path {dir}/f; uwsgi_temp_path {dir}/u;
  scgi_temp_path {dir}/s;
  log_format visit '$http_x_number $api_session_id $api_session_source $api_session_key';
  access_log {dir}/visits visit;
  set_real_ip_from 127.0.0.1; real_ip_header X-Forwarded-For;
  api_sessions on; {more}
  server {{ listen 127.0.0.1:{port}; location / {{ proxy_set_header Host $host; proxy_pass http://127.0.0.1:{up}; }} }}
}}"""


class Fleet:
    """`nodes` NGINX, which know one another through a cloud if there are two or more."""

    def __init__(self, directory, up, options):
        self.directory, self.up, self.options = directory, up, options
        self.cloud_port, self.processes = None, []
        self.nodes = [f"{directory}/node{at}" for at in range(options.nodes)]
        self.ports = [free_port() for _ in self.nodes]

    def start(self):
        more = "" if self.options.follow == "on" else "api_sessions_follow off;"
        if len(self.nodes) > 1:
            self.start_cloud()
            with open(f"{self.directory}/secret", "w") as secret:
                secret.write("s" * 32)
            more += f" api_sessions_secret {self.directory}/secret;"
        for node, port in zip(self.nodes, self.ports):
            os.mkdir(node, 0o755)
            words = dict(module=self.options.module, dir=node, port=port, up=self.up)
            with open(f"{node}/nginx.conf", "w") as conf:
                conf.write(CONF.format(more=more + self.export(node), **words))
            nginx = subprocess.Popen([self.options.nginx, "-c", f"{node}/nginx.conf", "-e", f"{node}/error.log"])
            self.processes.append(nginx)
            wait_for(port, nginx)

    def start_cloud(self):
        self.cloud_port = free_port()
        with open(f"{self.directory}/cloud.log", "w") as log:
            words = ["--listen", f"127.0.0.1:{self.cloud_port}", "--data", f"{self.directory}/cloud"]
            cloud = subprocess.Popen([self.options.cloud, *words], stdout=log, stderr=log)
        self.processes.append(cloud)
        wait_for(self.cloud_port, cloud)

    def export(self, node):
        if not self.cloud_port:
            return ""
        return (f" api_sessions_export http://127.0.0.1:{self.cloud_port} token_file={self.directory}/cloud/ingest.token"
                f" node={os.path.basename(node)} flush=50ms sync=on;")

    def stop(self):
        for process in reversed(self.processes):
            process.send_signal(signal.SIGTERM)
            process.wait()

    def failures(self):
        """Lines of the error logs that must not be there."""
        bad = ("[alert]", "[crit]", "[emerg]", "signal 11")
        logs = (line for node in self.nodes for line in open(f"{node}/error.log"))
        return [line for line in logs if any(word in line for word in bad)]

    def visits(self):
        """What the access logs say, by the number of the request."""
        lines = (line.split() for node in self.nodes for line in open(f"{node}/visits"))
        return {words[0]: words for words in lines}

    def in_cloud(self, sessions, requests, seconds=15):
        """The session in the cloud of each of these, once it has all requests."""
        end = time.time() + seconds
        while time.time() < end:
            found = {session: self.ask(f"/v1/sessions/{session}") for session in sessions}
            whole = {detail["session"]: detail["requests"] for detail in found.values() if detail}
            if sum(whole.values()) >= requests:
                # None is left of a session that joined another one before its identifier was found to be nobody's.
                return {session: (detail or {"session": session})["session"] for session, detail in found.items()}
            time.sleep(0.2)
        raise RuntimeError(f"the cloud has {sum(whole.values())} of {requests} requests")

    def ask(self, path):
        """The answer of the cloud; nothing if it knows of none."""
        with open(f"{self.directory}/cloud/admin.token") as token:
            headers = {"Authorization": "Bearer " + token.read().strip()}
        request = urllib.request.Request(f"http://127.0.0.1:{self.cloud_port}{path}", headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return None
            raise
