// A real cloud, and a real NGINX with the module in front of a small API: what the browser looks at.
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync, existsSync } from "node:fs";
import { createServer, request as httpRequest } from "node:http";
import { createServer as createSocket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

export const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

export async function eventually(what, ask, ms = 20000) {
  const end = Date.now() + ms;
  for (;;) {
    const answer = await ask();
    if (answer) return answer;
    if (Date.now() > end) throw new Error(`not within ${ms} ms: ${what}`);
    await sleep(50);
  }
}

export function freePort() {
  return new Promise((done) => {
    const socket = createSocket();
    socket.listen(0, "127.0.0.1", () => {
      const { port } = socket.address();
      socket.close(() => done(port));
    });
  });
}

/** Sends one request as it is written: no client adds or normalises anything. */
export function send(port, path, { method = "GET", headers = {}, body } = {}) {
  return new Promise((done, fail) => {
    const sent = httpRequest({ host: "127.0.0.1", port, path, method, headers, agent: false }, (answer) => {
      let text = "";
      answer.setEncoding("utf8");
      answer.on("data", (part) => { text += part; });
      answer.on("end", () => done({ status: answer.statusCode, headers: answer.headers, body: text }));
    });
    sent.on("error", fail);
    sent.end(body);
  });
}

export class World {
  static async start() {
    const world = new World();
    world.dir = mkdtempSync(join(tmpdir(), "api-sessions-browser-"));
    world.cloudPort = await freePort();
    world.port = await freePort();
    world.apiPort = await freePort();
    world.children = [];
    world.url = `http://127.0.0.1:${world.cloudPort}`;
    world.run(process.env.API_SESSIONS_CLOUD, ["--listen", `127.0.0.1:${world.cloudPort}`, "--data", join(world.dir, "data")]);
    await eventually("the cloud answers", () => send(world.cloudPort, "/healthz").then((a) => a.status === 200, () => false));
    world.admin = readFileSync(join(world.dir, "data/admin.token"), "utf8").trim();
    return world;
  }

  run(program, words) {
    const child = spawn(program, words, { stdio: "ignore" });
    this.children.push(child);
    return child;
  }

  /** NGINX with the module, reporting to the cloud. */
  async startNginx() {
    const { dir } = this;
    this.api = createServer((request, response) => {
      request.resume();
      const slow = request.url.startsWith("/report") ? 400 : 0;
      const status = request.url.startsWith("/missing") ? 404 : 200;
      const value = request.url.match(/^\/set\/(\w+)/)?.[1];
      const cookie = value ? { "set-cookie": `PHPSESSID=${value}; path=/` } : {};
      setTimeout(() => { response.writeHead(status, { "content-type": "application/json", ...cookie }); response.end("{\"ok\":true}"); }, slow);
    });
    await new Promise((done) => this.api.listen(this.apiPort, "127.0.0.1", done));
    const temp = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((name) => `${name}_temp_path ${dir}/${name};`).join(" ");
    writeFileSync(join(dir, "nginx.conf"), `
load_module ${process.env.API_SESSIONS_MODULE};
daemon off; pid ${dir}/nginx.pid; error_log ${dir}/error.log info; worker_processes 2; user root;
events {}
http { access_log off; ${temp}
  api_sessions on; api_sessions_detect on; api_sessions_deny on; api_sessions_application shop;
  api_sessions_export ${this.url} token_file=${dir}/data/ingest.token node=edge-1 flush=50ms sync=on;
  session_key request.cookie.sid name=sid;
  context_param request.header.X-User name=login type=user; context_param request.header.X-Role name=role type=role;
  context_param request.header.X-Secret name=secret hash; context_param request.query.q name=search;
  server { listen 127.0.0.1:${this.port}; client_max_body_size 1m; large_client_header_buffers 4 16k;
    location / { proxy_pass http://127.0.0.1:${this.apiPort}; }
    location /status { api_sessions off; api_sessions_status; } } }`);
    this.nginx = this.run(process.env.API_SESSIONS_NGINX, ["-p", dir, "-c", join(dir, "nginx.conf"), "-e", join(dir, "error.log")]);
    await eventually("nginx runs", () => existsSync(join(dir, "nginx.pid")));
  }

  ask(path) {
    return send(this.cloudPort, path, { headers: { authorization: `Bearer ${this.admin}` } }).then((answer) => JSON.parse(answer.body));
  }

  /** Ends all; what NGINX must never write is not in its log. */
  async end() {
    for (const child of this.children.reverse()) {
      if (child.exitCode === null) { child.kill("SIGTERM"); await new Promise((done) => child.on("exit", done)); }
    }
    this.api?.close();
    const log = existsSync(join(this.dir, "error.log")) ? readFileSync(join(this.dir, "error.log"), "utf8") : "";
    rmSync(this.dir, { recursive: true, force: true });
    const bad = log.split("\n").filter((line) => /\[(alert|crit|emerg)\]|exited on signal|panicked/.test(line));
    if (bad.length) throw new Error(`in NGINX's error log:\n${bad.join("\n")}`);
  }
}
