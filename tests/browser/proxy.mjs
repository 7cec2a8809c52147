// The Console behind a real NGINX with TLS, whose configurations are those of docs/cloud.md: on a host, below a
// path, and with the address taken from X-Forwarded-*. Run by scripts/test-console.
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { eventually, freePort, send } from "./world.mjs";

const HOST = "console.example";
const documented = readFileSync(`${process.env.DOCS}/cloud.md`, "utf8").match(/```nginx\n[\s\S]*?\n```/g).map((block) => block.replace(/```(nginx)?/g, ""));
assert.equal(documented.length, 3, "configurations in docs/cloud.md");

const ways = [
  ["a host of its own", documented[0], "/", (port) => ["--public-url", `https://${HOST}:${port}/`]],
  ["a path", documented[1], "/sessions/", (port) => ["--public-url", `https://${HOST}:${port}/sessions/`]],
  ["X-Forwarded headers", documented[2], "/sessions/", () => ["--trusted-proxy", "127.0.0.1"]],
  ["plain HTTP", documented[1].replace(/listen 443 ssl/, "listen 443").replace(/ssl_\w+ .*/g, ""), "/sessions/", (port) => ["--public-url", `http://${HOST}:${port}/sessions/`]],
];

const dir = mkdtempSync(join(tmpdir(), "api-sessions-proxy-"));
const certificate = spawnSync("openssl", ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", `/CN=${HOST}`, "-keyout", `${dir}/key.pem`, "-out", `${dir}/cert.pem`]);
assert.equal(certificate.status, 0, String(certificate.stderr));
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM || "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--ignore-certificate-errors", `--host-resolver-rules=MAP ${HOST} 127.0.0.1`],
});

async function through([name, configuration, path, options], number) {
  const [cloudPort, port] = [await freePort(), await freePort()];
  const data = join(dir, `data-${number}`);
  const children = [spawn(process.env.API_SESSIONS_CLOUD, ["--listen", `127.0.0.1:${cloudPort}`, "--data", data, ...options(port)], { stdio: ["ignore", "pipe", "ignore"] })];
  let printed = "";
  children[0].stdout.on("data", (part) => { printed += part; });
  const context = await browser.newContext();
  try {
    await eventually("the cloud answers", () => send(cloudPort, "/healthz").then((a) => a.status === 200, () => false));
    const server = configuration
      .replace(/listen 443/, `listen 127.0.0.1:${port}`)
      .replace(/\/etc\/ssl\/certs\/\S+?;/, `${dir}/cert.pem;`)
      .replace(/\/etc\/ssl\/private\/\S+?;/, `${dir}/key.pem;`)
      .replace("127.0.0.1:8700", `127.0.0.1:${cloudPort}`);
    const temp = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((kind) => `${kind}_temp_path ${dir}/${kind};`).join(" ");
    writeFileSync(`${dir}/${number}.conf`, `daemon off; pid ${dir}/${number}.pid; error_log ${dir}/error.log; user root; events {} http { access_log off; ${temp} ${server} }`);
    children.push(spawn(process.env.API_SESSIONS_NGINX, ["-p", dir, "-c", `${dir}/${number}.conf`, "-e", `${dir}/error.log`], { stdio: "inherit" }));
    await eventually("nginx runs", () => existsSync(`${dir}/${number}.pid`));

    const admin = readFileSync(join(data, "admin.token"), "utf8").trim();
    const session = "0123456789abcdef0123456789abcdef";
    const record = { id: session, ts: Date.now(), node: "n", session, key: "sid", source: "key", ip: "192.0.2.1", method: "GET", path: "/cart", status: 200, time_ms: 3, request_bytes: 1, response_bytes: 1, denied: false };
    const ingest = { authorization: `Bearer ${readFileSync(join(data, "ingest.token"), "utf8").trim()}` };
    assert.equal((await send(cloudPort, "/v1/records", { method: "POST", headers: ingest, body: `${JSON.stringify(record)}\n` })).status, 200);

    const origin = `${name === "plain HTTP" ? "http" : "https"}://${HOST}:${port}`;
    if (options(port)[0] === "--public-url") assert(printed.includes(`Console: ${origin}${path}login?token=`), printed);
    const page = await context.newPage();
    const problems = [];
    page.on("console", (message) => { if (message.type() === "error") problems.push(message.text()); });
    page.on("response", (response) => { if (response.status() >= 400) problems.push(`${response.status()} ${response.url()}`); });
    await page.goto(`${origin}${path}login?token=${admin}`);
    assert.equal(page.url(), `${origin}${path}`);
    const [cookie] = await context.cookies();
    assert.deepEqual([cookie.path, cookie.secure, cookie.httpOnly], [path, origin.startsWith("https"), true]);
    await page.locator("tbody a[href*='/sessions/']").first().click();
    await page.getByText("Deny this session").click();
    await page.getByRole("button", { name: "Deny" }).click();
    await page.getByText("Denied since").waitFor();
    for (const link of ["Denylist", "Parameters", "Nodes", "Sessions"]) {
      await page.getByRole("navigation", { name: "Main" }).getByRole("link", { name: link }).click();
      await page.locator(`nav a[aria-current]`, { hasText: link }).waitFor();
      assert(page.url().startsWith(`${origin}${path}`), page.url());
    }
    await page.getByRole("link", { name: "Denylist" }).click();
    await page.getByRole("button", { name: "Remove" }).click();
    await page.getByText("Nobody is denied").waitFor();
    assert.deepEqual(problems, []);

    // A page of another origin posts to the Console, with the browser's cookie where it is sent.
    const evil = await context.newPage();
    await evil.route("**/evil", (route) => route.fulfill({ contentType: "text/html", body: `<form method="post" action="${origin}${path}logout"><button>x</button></form>` }));
    await evil.goto(`${origin.replace(HOST, "127.0.0.1")}/evil`);
    const [refused] = await Promise.all([evil.waitForResponse((response) => response.request().method() === "POST"), evil.getByRole("button").click()]);
    assert.equal(refused.status(), 403);
    await page.reload();
    assert.equal(page.url(), `${origin}${path}denylist`);

    await page.getByRole("button", { name: "Log out" }).click();
    await page.getByLabel("Viewer or admin token").fill(admin);
    await page.getByRole("button", { name: "Log in" }).click();
    await page.getByRole("heading", { name: "1 session" }).waitFor();
    assert.equal(page.url(), `${origin}${path}`);
  } finally {
    await context.close();
    for (const child of children.reverse()) {
      if (child.exitCode === null) { child.kill("SIGTERM"); await new Promise((done) => child.on("exit", done)); }
    }
  }
}

let failed = 0;
for (const [number, way] of ways.entries()) {
  try {
    await through(way, number);
    console.log(`ok - the Console behind NGINX: ${way[0]}`);
  } catch (error) {
    failed += 1;
    console.log(`FAILED - the Console behind NGINX: ${way[0]}\n${error.stack ?? error}`);
  }
}
await browser.close();
rmSync(dir, { recursive: true, force: true });
process.exit(failed ? 1 : 0);
