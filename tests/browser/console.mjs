// The Console as a person uses it: Chromium against the real cloud, with data that came through the real
// module. Pictures go to build/screenshots. Run by scripts/test-console.
import assert from "node:assert/strict";
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";
import { World, eventually, send } from "./world.mjs";

const PICTURES = process.env.SCREENSHOTS;
mkdirSync(PICTURES, { recursive: true });
const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core"), "utf8");
const HOSTILE = "<script>alert(1)</script>\"'&<img src=x onerror=alert(2)>";
const BIDI = "evil\u202egnp.exe\u0007";

const world = await World.start();
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM || "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});
const problems = [];
let page;

async function open(options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  const opened = await context.newPage();
  opened.on("console", (message) => { if (message.type() === "error") problems.push(`console: ${message.text()}`); });
  opened.on("pageerror", (error) => problems.push(`page: ${error}`));
  opened.on("dialog", (dialog) => { problems.push(`dialog: ${dialog.message()}`); dialog.dismiss(); });
  return opened;
}

/** A picture, and what axe says of the page. */
async function look(name) {
  await page.screenshot({ path: `${PICTURES}/${name}.png`, fullPage: true });
  // Past the page's own policy: the tool is not part of it.
  const found = await page.evaluate(async (source) => { const run = new Function(`${source}; return axe.run(document, { resultTypes: ["violations"] });`); return run(); }, AXE).catch(() => null);
  if (found) return check(name, found);
  const session = await page.context().newCDPSession(page);
  await session.send("Page.setBypassCSP", { enabled: true });
  await page.reload();
  await page.addScriptTag({ content: AXE });
  check(name, await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] })));
  await session.send("Page.setBypassCSP", { enabled: false });
  await session.detach();
}

function check(name, { violations }) {
  for (const { id, help, nodes } of violations) problems.push(`axe, ${name}: ${id}: ${help}: ${nodes.map((node) => node.html.slice(0, 120)).join(" | ")}`);
}

const steps = [];
const step = (name, run) => steps.push([name, run]);
const text = (selector) => page.locator(selector).innerText();

step("a stranger is asked for a token, and a wrong one is refused", async () => {
  page = await open();
  await page.goto(world.url);
  await page.getByLabel("Viewer or admin token").fill("wrong");
  await page.getByRole("button", { name: "Log in" }).click();
  await page.getByText("This token is unknown").waitFor();
  problems.length = 0; // Chromium tells of the 401 that was wanted.
  await page.getByLabel("Viewer or admin token").fill(world.admin);
  await page.getByRole("button", { name: "Log in" }).click();
  await page.getByText("No sessions yet").waitFor();
  assert(!page.url().includes("token"));
});

step("the first start says what to put into nginx.conf, with address and token", async () => {
  const shown = await text("main");
  assert(shown.includes(`api_sessions_export ${world.url}`), shown);
  assert(shown.includes(readFileSync(`${world.dir}/data/ingest.token`, "utf8").trim()));
  await look("first-start");
});

step("sessions appear by themselves once there is traffic", async () => {
  await world.startNginx();
  const anna = { cookie: "sid=anna-1", "x-user": "anna", "x-role": "admin", "x-secret": "hidden-canary", "user-agent": "Mozilla/5.0 (Test)" };
  for (let n = 0; n < 45; n += 1) await send(world.port, `/users/${n}`, { headers: anna });
  await send(world.port, "/missing?q=x%20y", { headers: anna });
  await send(world.port, "/search?q=1%27%20OR%20%271%27%3D%271", { headers: { ...anna, cookie: "sid=mallory", "x-user": HOSTILE } });
  await send(world.port, "/upload", { method: "POST", headers: { cookie: "sid=mallory", "content-type": "application/json", "x-user": Buffer.from(BIDI, "utf8").toString("latin1").replace("\u0007", "") }, body: JSON.stringify({ name: `${HOSTILE} ; cat /etc/passwd ${BIDI}`, long: "A".repeat(8192) }) });
  for (let n = 0; n < 12; n += 1) await send(world.port, `/items/${n}/view`, { headers: { cookie: `sid=s-${n}`, "x-user": `user-${n}`, host: `shop-${n % 3}.example.com` } });
  await send(world.port, `/${"long/".repeat(60)}end`, { headers: { cookie: "sid=s-1", "x-user": "user-1" } });
  await eventually("they are stored", async () => (await world.ask("/v1/sessions")).total === 14);
  await page.getByRole("heading", { name: "14 sessions" }).waitFor();
  await look("sessions-1280-light");
});

step("filters narrow the list, live in the address, and can be cleared", async () => {
  await page.getByLabel("User").fill("anna");
  await page.getByRole("button", { name: "Filter" }).click();
  await page.getByRole("heading", { name: "1 session" }).waitFor();
  assert(page.url().includes("user=anna"));
  await page.getByRole("link", { name: "Clear" }).click();
  await page.getByRole("heading", { name: "14 sessions" }).waitFor();
  await page.getByRole("button", { name: "Only with attacks" }).click();
  await page.getByRole("heading", { name: "1 session" }).waitFor();
  await page.getByRole("link", { name: "Clear" }).click();
  await page.getByLabel("Endpoint requested").fill("/missing");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "1 session" }).waitFor();
  await page.getByRole("link", { name: "1 hour" }).click();
  assert(page.url().includes("from=") && page.url().includes("endpoint="));
  await page.getByRole("link", { name: "Clear" }).click();
  await page.getByRole("link", { name: "Requests" }).click();
  assert(page.url().includes("sort=-requests"));
  assert((await text("tbody tr:first-child")).includes("anna"));
  assert((await text("tbody tr:first-child")).includes("/users/{int}"));
});

step("a time typed wrong keeps the form, and says what is expected", async () => {
  await page.goto(world.url);
  await page.getByLabel("User").fill("anna");
  await page.getByLabel("From (UTC)").fill("yesterday");
  await page.keyboard.press("Enter");
  await page.getByRole("alert").waitFor();
  problems.length = 0; // Chromium tells of the 400 that was wanted.
  const from = page.getByLabel("From (UTC)");
  assert.equal(await from.inputValue(), "yesterday");
  assert.equal(await page.getByLabel("User").inputValue(), "anna");
  const told = await from.getAttribute("aria-describedby");
  assert((await text(`#${told}`)).includes("2026-11-23T10:00:00Z"));
  await look("filter-wrong-1280-light");
  problems.splice(0, problems.length, ...problems.filter((one) => !one.includes("status of 400")));
  await from.fill("2020-11-23T10:00:00Z");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "1 session", exact: true }).waitFor();
});

step("a value beside the list is clicked instead of typed, and clicked away", async () => {
  await page.goto(world.url);
  const facets = page.getByRole("complementary", { name: "Frequent values" });
  await facets.getByRole("link", { name: "shop-1.example.com" }).click();
  await page.getByRole("heading", { name: "4 sessions" }).waitFor();
  assert(page.url().includes("host=shop-1.example.com"));
  assert.equal((await facets.locator("li").filter({ hasText: "shop" }).last().innerText()).replace(/\s+/g, " "), "shop-1.example.com ✕ 4");
  await facets.getByRole("link", { name: "shop-1.example.com" }).focus();
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "14 sessions" }).waitFor();
  await facets.locator("details summary").first().click();
  const unfolded = facets.locator("details").first();
  const refreshed = page.evaluate(() => new Promise((done) => document.addEventListener("refreshed", () => done(), { once: true })));
  await page.getByRole("button", { name: "Refreshing – pause" }).click();
  await page.getByRole("button", { name: "Paused – refresh" }).click();
  await refreshed;
  assert.equal(await unfolded.getAttribute("open"), "", "what is unfolded stays so when the page refreshes");
  await look("facets-1280-light");
});

step("the chart has axes and a legend, and dragging selects a time", async () => {
  await page.goto(world.url);
  const svg = page.locator("svg[data-from]");
  assert((await svg.locator("text.tick").count()) >= 3, "a time axis");
  assert((await svg.locator("text.scale").count()) >= 1, "a scale");
  const attacks = page.getByRole("button", { name: "Attacks 2" });
  await attacks.click();
  assert.equal(await attacks.getAttribute("aria-pressed"), "false");
  assert.equal(await svg.locator("rect.attacks").first().isVisible(), false);
  await attacks.click();
  // Without the requests, the axis ends at what is left.
  const scale = () => svg.locator("text.scale").first().textContent();
  const height = (series) => svg.locator(`rect.${series}`).last().evaluate((bar) => Number(bar.getAttribute("height")));
  const [before, small] = [await scale(), await height("attacks")];
  const off = [page.getByRole("button", { name: /^Requests \d/ }), page.getByRole("button", { name: /^Sessions \d/ })];
  for (const button of off) await button.click();
  assert.equal(before, "100");
  assert.equal(await scale(), "2");
  assert((await height("attacks")) > 10 * small);
  await look("chart-rescaled-1280-light");
  // The chart follows the filters.
  await page.goto(`${world.url}/?user=anna`);
  await page.getByRole("button", { name: "Requests 46" }).waitFor();
  await page.getByRole("button", { name: "Sessions 1", exact: true }).waitFor();
  assert((await text("figure.chart")).includes("Requests that match"));
  await page.goto(world.url);
  const box = await svg.boundingBox();
  const drag = async (from, to) => {
    await page.mouse.move(box.x + box.width * from, box.y + 60);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width * to, box.y + 70, { steps: 5 });
    await page.mouse.up();
  };
  await drag(0.1, 0.2);
  await page.waitForURL(/from=.*to=/);
  const selected = new URL(page.url()).searchParams;
  const hours = (new Date(selected.get("to")) - new Date(selected.get("from"))) / 3600e3;
  assert(hours > 2.2 && hours < 2.6, `a tenth of a day: ${hours}`);
  await page.getByText("No session matches").waitFor();
  await page.getByRole("link", { name: "Clear" }).click();
  await page.goto(`${world.url}/?user=anna`);
  await drag(0.95, 0.5);
  await page.waitForURL(/from=/);
  assert(page.url().includes("user=anna"), "the other filters stay");
  await page.goto(`${world.url}/?sort=-requests`);
  await page.getByRole("heading", { name: "14 sessions" }).waitFor();
});

step("a time is selected on the chart with the keyboard alone", async () => {
  await page.goto(`${world.url}/?user=anna`);
  const chart = page.getByRole("slider", { name: /Time on the chart/ });
  await chart.focus();
  for (const key of ["ArrowLeft", "ArrowLeft", "ArrowLeft", "Shift+ArrowRight", "Shift+ArrowRight"]) await page.keyboard.press(key);
  assert.match(await chart.getAttribute("aria-valuetext"), / requests of .*, to .* requests of /);
  assert.equal(await page.locator("rect.band").count(), 1);
  await look("chart-keyboard-1280-light");
  await chart.focus();
  await page.keyboard.press("Home");
  await page.keyboard.press("Escape");
  assert.equal(await page.locator("rect.band").count(), 0);
  for (const key of ["End", "Shift+ArrowLeft", "Enter"]) await page.keyboard.press(key);
  await page.waitForURL(/from=.*to=/);
  const selected = new URL(page.url()).searchParams;
  assert.equal(new Date(selected.get("to")) - new Date(selected.get("from")), 30 * 60e3, "two intervals");
  assert(page.url().includes("user=anna"), "the other filters stay");
  await page.getByRole("heading", { name: "1 session", exact: true }).waitFor();
});

step("refreshing can be paused", async () => {
  const button = page.getByRole("button", { name: "Refreshing – pause" });
  await button.click();
  await page.getByRole("button", { name: "Paused – refresh" }).click();
  await page.getByRole("button", { name: "Refreshing – pause" }).waitFor();
});

step("a list does not move while it is read, and shows what is newer when asked", async () => {
  await page.goto(world.url);
  const rows = page.locator("tr[data-key]");
  const refreshed = () => page.evaluate(() => new Promise((done) => {
    document.addEventListener("refreshed", () => done(), { once: true });
    const button = document.querySelector("[data-refresh]");
    button.click();
    button.click();
  }));
  await page.evaluate(() => document.querySelector("tr[data-key]:nth-child(4)").scrollIntoView());
  const place = () => rows.nth(5).evaluate((row) => [row.dataset.key, row.getBoundingClientRect().top]);
  const before = await place();
  await send(world.port, "/late", { headers: { cookie: "sid=newcomer" } });
  await send(world.port, "/late", { headers: { cookie: "sid=s-3", "x-user": "user-3" } });
  await eventually("they are stored", async () => (await world.ask("/v1/sessions?endpoint=/late")).total === 2);
  await refreshed();
  assert.deepEqual(await place(), before);
  const newer = page.getByRole("button", { name: "Show 1 newer session" });
  await look("tail-1280-light");
  await newer.focus();
  await page.keyboard.press("Enter");
  await newer.waitFor({ state: "detached" });
  assert((await rows.first().innerText()).includes("/late"));
  await page.evaluate(() => scrollTo(0, 0));
  await page.mouse.move(0, 0);
  await send(world.port, "/late", { headers: { cookie: "sid=newcomer" } });
  await eventually("it is stored", async () => (await world.ask("/v1/sessions?endpoint=/late&sort=-last_ts")).sessions[0].requests === 2);
  await page.evaluate(() => document.activeElement.blur());
  await refreshed();
  assert.equal(await newer.count(), 0);
  await page.getByRole("heading", { name: "15 sessions" }).waitFor();
});

step("times are those of the reader, with UTC on hover", async () => {
  const cookies = await page.context().cookies();
  const before = page;
  page = await open({ timezoneId: "Asia/Kolkata" });
  await page.context().addCookies(cookies);
  await page.goto(world.url);
  const first = page.locator("tbody time").first();
  const { local, utc, at } = await first.evaluate((time) => ({ local: time.textContent, utc: time.title, at: time.dateTime }));
  assert.equal(utc, `${at.slice(0, 19).replace("T", " ")} UTC`);
  assert.equal(local, new Date(new Date(at).getTime() + 5.5 * 3600e3).toISOString().slice(0, 19).replace("T", " "));
  assert((await text("thead")).includes("(GMT+5:30)"), await text("thead"));
  await page.locator("tbody a[href^='/sessions/']").first().click();
  await page.locator("a[data-request]").first().click();
  const exact = page.locator("tr.opened time");
  await eventually("what opens in place is local too", async () => (await exact.getAttribute("title"))?.endsWith(" UTC"));
  await page.context().close();
  page = before;
});

step("a view gets a name, and is forgotten", async () => {
  await page.goto(`${world.url}/?user=anna&sort=-requests`);
  const views = page.getByRole("navigation", { name: "Saved views" });
  await views.getByText("Save this view").click();
  await views.getByLabel("Name").fill("Anna <b>");
  await page.keyboard.press("Enter");
  const view = views.getByRole("link", { name: "Anna <b>" });
  assert.equal(await view.getAttribute("aria-current"), "true");
  await page.goto(world.url);
  await look("views-1280-light");
  await view.click();
  await page.getByRole("heading", { name: "1 session", exact: true }).waitFor();
  assert.equal(new URL(page.url()).search, "?user=anna&sort=-requests");
  await views.getByRole("button", { name: "Forget the view Anna <b>" }).click();
  assert.equal(await view.count(), 0);
  await page.goto(`${world.url}/?sort=-requests`);
});

step("a session shows who it was and what they did; figures filter the list", async () => {
  await page.locator("tbody tr:first-child a[href^='/sessions/']").click();
  await page.getByRole("heading", { name: "Requests" }).waitFor();
  const shown = await text("main");
  for (const part of ["anna", "admin", "46", "sid", "a configured session key", "98 %"]) assert(shown.includes(part), `${part} in ${shown}`);
  await look("session-1280-light");
  await page.getByRole("complementary").getByRole("link", { name: "404" }).click();
  await page.getByText("status: 404").waitFor();
  assert.equal(await page.locator("section tbody tr:has(a[data-request])").count(), 1);
  await page.getByTitle("Remove this filter").click();
  await page.waitForURL((url) => !url.search);
  const download = page.waitForEvent("download");
  await page.getByRole("link", { name: "CSV" }).click();
  assert((await download).suggestedFilename().endsWith(".csv"));
});

step("requests open in place with the keyboard alone", async () => {
  const opened = page.locator("tr.opened");
  const heading = (path) => opened.getByRole("heading", { name: `GET ${path}`, exact: true });
  await page.keyboard.press("j");
  await page.keyboard.press("Enter");
  await heading("/users/0").waitFor();
  assert((await opened.innerText()).includes("Session parameters"));
  await look("session-opened-1280-light");
  await page.keyboard.press("j");
  await heading("/users/1").waitFor();
  await page.keyboard.press("j");
  await heading("/users/2").waitFor();
  assert.equal(await opened.count(), 1);
  await page.keyboard.press("k");
  await heading("/users/1").waitFor();
  await page.keyboard.press("Escape");
  await opened.waitFor({ state: "detached" });
  const focused = () => page.evaluate(() => document.activeElement.textContent);
  assert.equal(await focused(), "GET /users/1");
  await page.keyboard.press("k");
  await page.keyboard.press("k");
  assert.equal(await focused(), "GET /users/0");
  assert.equal(await opened.count(), 0);
  await page.getByRole("link", { name: "GET /users/3", exact: true }).click();
  await heading("/users/3").waitFor();
  await page.getByRole("link", { name: "GET /users/3", exact: true }).click();
  await opened.waitFor({ state: "detached" });
  assert(page.url().includes("/sessions/"));
});

step("what changed in a session is told, and marked where it happened", async () => {
  const walk = { cookie: "sid=walk-1", "user-agent": "Phone/1" };
  await send(world.port, "/profile", { headers: walk });
  await send(world.port, "/profile", { headers: { ...walk, "x-user": "carol" } });
  await send(world.port, "/profile/2", { headers: { ...walk, "x-user": "carol", "user-agent": "curl/8" } });
  const found = await eventually("it is stored", async () => { const all = await world.ask("/v1/sessions?user=carol"); return all.sessions[0]?.requests === 3 && all.sessions[0]; });
  await page.goto(`${world.url}/sessions/${found.session}`);
  const told = page.getByRole("region", { name: "What changed" });
  assert.deepEqual(await told.locator(".change").allInnerTexts(), ["login carol", "new User-Agent"]);
  assert((await told.innerText()).includes("curl/8 after Phone/1"), await told.innerText());
  const row = page.getByRole("region", { name: "Requests" }).locator("tr", { hasText: "/profile/2" });
  assert.equal(await row.locator(".change").innerText(), "new User-Agent");
  assert.equal(await page.locator("svg.timeline rect.changes").count(), 2);
  const lanes = page.getByRole("figure", { name: "Sequence of endpoints" }).getByRole("group");
  assert.deepEqual(await lanes.evaluateAll((all) => all.map((lane) => lane.getAttribute("aria-label"))), ["GET /profile: 2 requests", "GET /profile/{int}: 1 request"]);
  const facts = page.getByRole("region", { name: "What is unusual" });
  assert((await facts.innerText()).includes("Not enough sessions"), await facts.innerText());
  assert.match(await facts.locator("tr", { hasText: "User-Agents" }).innerText(), /^User-Agents\s+2\s/);
  await look("changes-1280-light");
});

step("a malicious request shows its content as text, and what is hidden stays hidden", async () => {
  await page.goto(`${world.url}/?attack=any`);
  await page.locator("tbody tr:first-child a[href^='/sessions/']").click();
  await page.getByRole("link", { name: "POST /upload" }).click();
  await page.getByRole("heading", { name: "Full content" }).waitFor();
  const shown = await text("main");
  assert(shown.includes("<script>alert(1)</script>") && shown.includes("command_injection"), shown);
  assert(!shown.includes("\u202e") && shown.includes("U+202E"), "bidirectional overrides are written out");
  assert.equal(await page.locator("main script, main img").count(), 0);
  await look("request-1280-light");
  await page.goto(`${world.url}/?user=anna`);
  await page.locator("tbody tr:first-child a[href^='/sessions/']").click();
  await page.locator("section tbody tr:first-child a").first().click();
  await page.locator("tr.opened dl").waitFor();
  const record = await text("main");
  assert(record.includes("hashed") && record.includes("secret") && !record.includes("hidden-canary"), record);
});

step("a session is denied on every node, and let in again", async () => {
  await page.goto(`${world.url}/?attack=any`);
  await page.locator("tbody tr:first-child a[href^='/sessions/']").click();
  await page.getByText("Deny this session").click();
  await page.getByLabel("Duration").selectOption({ label: "1 day" });
  await page.getByLabel("Reason").fill("an attacker");
  await page.getByRole("button", { name: "Deny" }).click();
  await page.getByText("Denied since").waitFor();
  const ask = () => send(world.port, "/again", { headers: { cookie: "sid=mallory" } });
  await eventually("the node refuses it", async () => (await ask()).status === 403);
  await page.getByRole("link", { name: "Denylist" }).click();
  await page.getByText("an attacker").waitFor();
  await look("denylist-1280-light");
  await page.getByRole("button", { name: "Remove" }).click();
  await page.getByText("Nobody is denied").waitFor();
  await eventually("the node lets it in", async () => (await ask()).status === 200);
  await page.getByLabel("Denied from").fill(new Date(Date.now() - 3600e3).toISOString());
  await page.getByRole("button", { name: "Show" }).click();
  await page.getByText("removed by").waitFor();
  await page.goto(`${world.url}/?denied=true`);
  await page.getByText("was denied").waitFor();
});

step("a user has sessions, devices and addresses, and all that is theirs is denied", async () => {
  const phone = { cookie: "sid=anna-2", "x-user": "anna", "user-agent": "Phone/1" };
  await send(world.port, "/profile", { headers: phone });
  await eventually("it is stored", async () => (await world.ask("/v1/sessions?user=anna")).total === 2);
  await page.getByRole("link", { name: "Users", exact: true }).click();
  await page.getByRole("region", { name: "Users" }).getByRole("link", { name: "anna" }).click();
  await page.getByRole("heading", { name: "User anna" }).waitFor();
  const aside = await text("aside");
  for (const part of ["Phone/1", "Mozilla/5.0 (Test)", "127.0.0.1"]) assert(aside.includes(part), `${part} in ${aside}`);
  await look("user-1280-light");
  await page.getByText("Deny all present sessions").click();
  await page.getByLabel("Reason").fill("account taken over");
  await page.getByRole("button", { name: "Deny them" }).click();
  await eventually("both are shown as denied", async () => (await page.locator(".badge.bad").count()) === 2);
  const ask = () => send(world.port, "/again", { headers: phone });
  await eventually("the node refuses them", async () => (await ask()).status === 403);
  await page.getByRole("link", { name: "Denylist" }).click();
  assert.equal(await page.getByRole("cell", { name: "account taken over" }).count(), 2);
  for (const left of [1, 0]) {
    await page.getByRole("button", { name: "Remove" }).first().click();
    await eventually("one less", async () => (await page.getByRole("button", { name: "Remove" }).count()) === left);
  }
  await eventually("the node lets them in", async () => (await ask()).status === 200);
});

step("a user's page counts the user's own requests, and the list of users is a table to download", async () => {
  const shared = { cookie: "sid=shared-1", "user-agent": "Shared/1" };
  await send(world.port, "/missing", { headers: shared });
  await send(world.port, "/missing", { headers: shared });
  for (const user of ["frank", "grace"]) await send(world.port, "/profile", { headers: { ...shared, "x-user": user } });
  await eventually("it is stored", async () => (await world.ask("/v1/sessions?user=grace")).sessions[0]?.requests === 4);
  await page.goto(`${world.url}/?user=grace`);
  const row = page.locator("tr[data-key]").first();
  assert((await row.innerText()).includes("+1 more"), await row.innerText());
  await page.getByRole("complementary", { name: "Frequent values" }).getByRole("link", { name: "frank" }).waitFor();
  await row.getByRole("link", { name: "grace" }).click();
  const value = (label) => page.locator("dl.facts div", { has: page.getByText(label, { exact: true }) }).locator("dd").innerText();
  assert.deepEqual([await value("Requests"), await value("Other errors (4xx, 5xx)")], ["1", "0, 0"]);
  await page.getByRole("link", { name: "Users", exact: true }).click();
  const download = page.waitForEvent("download");
  await page.getByRole("link", { name: "CSV" }).click();
  const table = readFileSync(await (await download).path(), "utf8");
  // What the session did before the login is neither's.
  assert(/^frank,1,1,/m.test(table) && /^grace,1,1,/m.test(table), table);
});

step("endpoints lead to who uses them, and what scanners ask for stands apart", async () => {
  await page.getByRole("link", { name: "Endpoints", exact: true }).click();
  const table = page.getByRole("region", { name: "Endpoints" });
  await table.getByRole("link", { name: "/items/{int}/view" }).waitFor();
  assert.equal(await table.getByText("/missing").count(), 0);
  await look("endpoints-1280-light");
  await page.getByRole("navigation", { name: "Kind" }).getByRole("link", { name: "Probes" }).click();
  await table.getByRole("link", { name: "/missing" }).waitFor();
  await page.getByRole("link", { name: "In use" }).first().click();
  await page.getByLabel("Part of the endpoint").fill("ITEMS");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "1 endpoint", exact: true }).waitFor();
  const download = page.waitForEvent("download");
  await page.getByRole("link", { name: "What is in use as OpenAPI" }).click();
  const document = JSON.parse(readFileSync(await (await download).path(), "utf8"));
  assert.deepEqual(Object.keys(document.paths), ["/items/{int}/view"]);
  await page.getByText("Compare with an OpenAPI document").click();
  await page.getByLabel("File").setInputFiles({ name: "api.json", mimeType: "application/json", buffer: Buffer.from(JSON.stringify({ openapi: "3.1.0", paths: { "/users/{id}": { get: {} }, "/refunds": { post: {} } } })) });
  await eventually("the file is read", async () => (await page.getByLabel("Document").inputValue()).includes("refunds"));
  await page.getByRole("button", { name: "Compare" }).click();
  await page.getByRole("region", { name: "In use and not in the document" }).getByText("/items/{int}/view").waitFor();
  assert.deepEqual(await page.locator(".operations li").allInnerTexts(), ["POST /refunds"]);
  // The same in YAML, with a mistake and without.
  await page.getByRole("link", { name: "← Endpoints" }).click();
  await page.getByText("Compare with an OpenAPI document").click();
  await page.getByLabel("File").setInputFiles({ name: "api.yaml", mimeType: "application/yaml", buffer: Buffer.from("# Ours\nopenapi: 3.1.0\npaths:\n  /users/{id}:\n    get: {}\n  /returns:\n    post: {}\n") });
  await eventually("the file is read", async () => (await page.getByLabel("Document").inputValue()).includes("returns"));
  await page.getByRole("button", { name: "Compare" }).click();
  await page.getByRole("heading", { name: "In the document and never seen" }).waitFor();
  assert.deepEqual(await page.locator(".operations li").allInnerTexts(), ["POST /returns"]);
  await look("comparison-1280-light");
  await page.goto(`${world.url}/endpoints`);
  await table.getByRole("row", { name: "/items/{int}/view" }).getByRole("link", { name: "before and after" }).click();
  await page.getByRole("heading", { name: "/items/{int}/view" }).waitFor();
  await page.getByRole("region", { name: "After" }).getByRole("table").waitFor();
  await look("endpoint-1280-light");
  await page.goto(`${world.url}/endpoints`);
  await table.getByRole("link", { name: "/items/{int}/view" }).click();
  await page.getByRole("heading", { name: "12 sessions" }).waitFor();
});

step("a session shows its identifiers and whose browser it was; one of them is split off", async () => {
  const value = (n) => `a0b1c2d3e4f5a6b7c8d9e0f${n}`;
  const visit = (path, n, user, method = "GET") =>
    send(world.port, path, { method, headers: { cookie: `PHPSESSID=${value(n)}`, "x-user": user, "user-agent": "Tablet/1" } });
  await visit("/account", 1, "dora");
  await visit(`/set/${value(2)}`, 1, "dora", "POST");
  await visit("/account", 2, "dora");
  await visit("/account", 2, "erik");
  const of = (user) => eventually(`${user} is stored`, async () => (await world.ask(`/v1/sessions?user=${user}`)).sessions[0]?.session);
  const [dora, erik] = [await of("dora"), await of("erik")];
  assert.notEqual(dora, erik);
  const known = await eventually("its identifier is stored", async () => (await world.ask(`/v1/sessions/${dora}`)).identifiers[0]);
  await page.goto(`${world.url}/sessions/${dora}`);
  await page.getByText("Identifiers: 1").click();
  const row = page.locator("details.identifiers tr");
  assert((await row.innerText()).includes("new at login"), await row.innerText());
  await look("identifiers-1280-light");
  await page.goto(`${world.url}/sessions/${dora}`);
  await page.getByText("Identifiers: 1").click();
  await row.getByRole("link").click();
  await page.waitForURL(`${world.url}/requests/${known.request}`);
  assert((await text("main")).includes(`/set/${value(2)}`));
  await page.goto(`${world.url}/sessions/${dora}`);
  await page.getByText("Another user came after").getByRole("link").click();
  await page.waitForURL(`${world.url}/sessions/${erik}`);
  await page.getByText("Another user was here before").getByRole("link").click();
  await page.waitForURL(`${world.url}/sessions/${dora}`);
  // Its alias is the same page.
  await page.goto(`${world.url}/sessions/${known.session}`);
  await page.getByText("Identifiers: 1").click();
  await page.getByRole("button", { name: "Split here" }).click();
  await page.waitForURL(`${world.url}/sessions/${dora}`);
  assert.equal(await page.locator("details.identifiers").count(), 0);
  assert.deepEqual((await world.ask(`/v1/sessions/${dora}`)).identifiers, []);
});

step("a parameter is added with a preview, ordered, saved, and taken by the node", async () => {
  await page.getByRole("link", { name: "Parameters" }).click();
  await page.getByLabel("Name or path").fill("X-User");
  await page.getByText("Reads anna").waitFor();
  await page.getByRole("button", { name: "Add to the list" }).click();
  const row = page.locator("tbody tr").filter({ has: page.locator("[name=point]") });
  await row.last().getByLabel("Name").fill("who");
  await row.last().getByLabel("Type").selectOption("user");
  await page.getByLabel("Source").selectOption("request.cookie.");
  await page.getByLabel("Name or path").fill("sid");
  await page.getByText("Reads abc123").waitFor();
  await page.getByRole("button", { name: "Add to the list" }).click();
  await row.last().getByLabel("Use").selectOption("1");
  await row.last().getByLabel("Up").click();
  assert.equal(await row.first().getByLabel("Point").inputValue(), "request.cookie.sid");
  await row.first().locator(".grip").dragTo(row.last().locator(".grip"), { targetPosition: { x: 2, y: 14 } });
  assert.equal(await row.last().getByLabel("Point").inputValue(), "request.cookie.sid");
  await page.getByRole("button", { name: "Save for all nodes" }).click();
  await page.getByText("None yet").waitFor({ state: "detached" });
  const status = () => send(world.port, "/status").then((answer) => JSON.parse(answer.body).settings?.parameters?.parameters ?? []);
  const taken = await eventually("the node has them", async () => { const all = await status(); return all.length === 2 && all; });
  assert.deepEqual(taken.map((one) => [one.point, one.name ?? "", one.group]), [["request.header.X-User", "who", false], ["request.cookie.sid", "", true]]);
  await page.getByLabel("Name or path").fill("a b");
  assert.equal(await page.locator("[data-adder] [name=point]").inputValue(), "request.header[\"a b\"]");
  await page.getByLabel("Point").last().fill("request.cookies.x");
  await page.getByText("is not known").waitFor();
  await look("parameters-1280-light");
});

step("a rule is written in the form or as a directive, tried, saved and switched", async () => {
  await page.getByRole("link", { name: "Rules", exact: true }).click();
  await page.getByText("None yet.").waitFor();
  const editor = page.locator("[data-rule]");
  const directive = editor.getByLabel("As a directive of nginx.conf");
  const shows = (what, ask, wanted) => eventually(what, async () => (await ask()) === wanted);
  await editor.getByLabel("Name").fill("walked");
  await editor.getByLabel("Methods and path").fill("GET:/users/*");
  await editor.getByText("\"over=N/TIME\" is missing").waitFor();
  await editor.getByLabel("Threshold / time").fill("20/10m");
  await shows("the directive follows", () => directive.inputValue(), "session_rule walked on=GET:/users/* over=20/10m mode=monitor;");
  await directive.fill("session_rule walked on=GET:/users/* \"when=status=200;user=present\" over=20/10m per=ip mode=monitor;");
  await shows("the form follows", () => editor.getByLabel("Conditions").inputValue(), "status=200;user=present");
  assert.equal(await editor.locator("[name=per]").inputValue(), "ip");
  await directive.fill("session_rule walked on=GET:/users/* over=lots;");
  await editor.getByText("invalid parameter \"over=lots\"").waitFor();
  await directive.fill("session_rule walked on=GET:/users/* over=20/10m;");
  await editor.locator("[data-error]:empty").waitFor({ state: "attached" });
  const tryIt = editor.getByRole("button", { name: "Try it" });
  await tryIt.focus();
  await page.keyboard.press("Enter");
  await editor.getByText("It would have fired for 1.").waitFor();
  assert((await editor.getByText("stored requests it counts 45, of 1 subject.").count()) === 1, await editor.innerText());
  await look("rules-try-1280-light");
  await editor.getByRole("button", { name: "Use 45" }).click();
  await shows("the threshold is used", () => editor.getByLabel("Threshold / time").inputValue(), "45/10m");
  await shows("in the directive too", async () => (await directive.inputValue()).includes("over=45/10m"), true);
  await tryIt.click();
  await editor.getByText("It would not have fired.").waitFor();
  await editor.getByRole("button", { name: "Add for all nodes" }).click();
  const row = page.getByRole("region", { name: "Rules" }).locator("tbody tr").filter({ hasText: "walked" });
  await row.getByRole("button", { name: "Monitor", pressed: true }).waitFor();
  assert.deepEqual((await world.ask("/v1/rules")).map((rule) => [rule.name, rule.over]), [["walked", "45/10m"]]);
  await row.getByRole("button", { name: "Enforce" }).focus();
  await page.keyboard.press("Enter");
  await row.getByRole("button", { name: "Enforce", pressed: true }).waitFor();
  assert.equal((await world.ask("/v1/rules"))[0].mode, "enforce");
  await row.getByRole("button", { name: "Monitor" }).click();
  await row.getByRole("button", { name: "Monitor", pressed: true }).waitFor();

  // A hit, as a node reports it, opens its session.
  const session = "ab".repeat(16);
  const hit = { id: "cd".repeat(16), ts: Date.now(), node: "edge-1", session, key: "sid", source: "key", ip: "192.0.2.7", method: "GET", path: "/users/1", status: 200, time_ms: 1, request_bytes: 1, response_bytes: 1, denied: false, rules: [{ name: "walked", count: 46, then: "mark", enforced: false }] };
  const ingest = readFileSync(`${world.dir}/data/ingest.token`, "utf8").trim();
  assert.equal((await send(world.cloudPort, "/v1/records", { method: "POST", headers: { authorization: `Bearer ${ingest}`, "content-type": "application/x-ndjson" }, body: JSON.stringify(hit) })).status, 200);
  await page.reload();
  await row.getByRole("link", { name: "1" }).first().click();
  await page.getByRole("region", { name: "Sessions of the rule" }).getByRole("link").click();
  await page.getByRole("heading", { name: session }).waitFor();
  await page.getByRole("link", { name: "Rules", exact: true }).click();

  // A rule of the default pack goes into the editor; another is edited and removed.
  await page.getByRole("button", { name: "Open in the editor: login-failures" }).click();
  assert.equal(await editor.getByLabel("Name").inputValue(), "login-failures");
  await editor.getByRole("button", { name: "Add for all nodes" }).click();
  await page.getByRole("link", { name: "Edit walked" }).click();
  await editor.getByLabel("Then").fill("mark,limit:10r/m");
  await shows("the directive follows", async () => (await directive.inputValue()).includes("then=mark,limit:10r/m"), true);
  await editor.getByRole("button", { name: "Save for all nodes" }).click();
  await page.getByRole("button", { name: "Remove login-failures" }).click();
  await page.getByRole("button", { name: "Remove login-failures" }).waitFor({ state: "detached" });
  assert.deepEqual((await world.ask("/v1/rules")).map((rule) => [rule.name, rule.then]), [["walked", "mark,limit:10r/m"]]);
  await look("rules-1280-light");
});

step("nodes say how they are", async () => {
  await page.getByRole("link", { name: "Nodes" }).click();
  await page.getByText("edge-1").waitFor();
  await eventually("it is up to date", async () => { await page.reload(); return (await text("main")).includes("up to date"); });
  await look("nodes-1280-light");
});

step("a viewer reads and changes nothing, and another site cannot post", async () => {
  const { spawnSync } = await import("node:child_process");
  const made = spawnSync(process.env.API_SESSIONS_CLOUD, ["token", "create", "--role", "viewer", "--data", `${world.dir}/data`], { encoding: "utf8" });
  const before = page;
  page = await open();
  await page.goto(`${world.url}/login?token=${made.stdout.trim()}`);
  await page.getByText("read only").waitFor();
  await page.getByRole("link", { name: "Parameters" }).click();
  assert.equal(await page.getByRole("button", { name: "Save" }).count(), 0);
  await page.getByRole("link", { name: "Rules", exact: true }).click();
  await page.getByText("monitor", { exact: true }).first().waitFor();
  assert.equal(await page.getByRole("button", { name: /for all nodes|Enforce|Remove/ }).count(), 0);
  const cookie = (await page.context().cookies()).map((one) => `${one.name}=${one.value}`).join("; ");
  const body = "session=00000000000000000000000000000000&seconds=60";
  const form = { "content-type": "application/x-www-form-urlencoded" };
  const viewer = await send(world.cloudPort, "/denylist", { method: "POST", headers: { ...form, cookie, "sec-fetch-site": "same-origin" }, body });
  assert.equal(viewer.status, 403);
  const admin = { ...form, cookie: `api_sessions_token=${world.admin}` };
  for (const site of [{ "sec-fetch-site": "cross-site" }, { origin: "http://evil.example" }, {}]) {
    assert.equal((await send(world.cloudPort, "/denylist", { method: "POST", headers: { ...admin, ...site }, body })).status, 403);
  }
  await page.context().close();
  page = before;
});

step("it is readable in the dark and on a phone", async () => {
  const views = [["sessions", "/"], ["users", "/users"], ["user", "/users/anna"], ["endpoints", "/endpoints"], ["endpoint", "/endpoints/neighbours?endpoint=/items/{int}/view"], ["keys", "/keys"], ["denylist", "/denylist"], ["nodes", "/nodes"], ["session", null], ["parameters", "/parameters"], ["rules", "/rules"]];
  const cookies = await page.context().cookies();
  const session = (await world.ask("/v1/sessions?attack=any")).sessions[0].session;
  for (const [theme, width] of [["dark", 1280], ["light", 390], ["dark", 390]]) {
    const before = page;
    page = await open({ viewport: { width, height: 900 }, colorScheme: theme });
    await page.context().addCookies(cookies);
    for (const [name, path] of views) {
      await page.goto(world.url + (path ?? `/sessions/${session}`));
      await look(`${name}-${width}-${theme}`);
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      assert(wide <= 0, `${name} is ${wide} px too wide at ${width}`);
      if (width > 400) continue;
      const hidden = await page.evaluate(() => [...document.querySelectorAll("table.cards tbody td")].filter((cell) => cell.getBoundingClientRect().right > innerWidth).length);
      assert.equal(hidden, 0, `${name}: cells beyond the edge`);
      const scrolled = await page.evaluate(() => [...document.querySelectorAll(".scroll")].filter((region) => region.scrollWidth > region.clientWidth).map((region) => region.ariaLabel));
      assert.deepEqual(scrolled, [], `${name}: lists to scroll sideways`);
    }
    await page.context().close();
    page = before;
  }
});

step("the list has scores, and is ordered by them", async () => {
  const at = Date.now() - 3600e3;
  const line = (n, more) => ({ id: `${n}`.padStart(32, "d"), ts: at + n, node: "edge-1", session: `${Math.min(n, 300)}`.padStart(32, "e"), app: "bank", key: "sid", source: "key", ip: "192.0.2.7", method: "GET", path: "/balance", status: 200, time_ms: 1, request_bytes: 1, response_bytes: 1, denied: false, ...more });
  const lines = Array.from({ length: 340 }, (_, n) => line(n, n < 300 ? {} : { method: "POST", path: "/login", status: 401 }));
  const ingest = readFileSync(`${world.dir}/data/ingest.token`, "utf8").trim();
  const sent = await send(world.cloudPort, "/v1/records", { method: "POST", headers: { authorization: `Bearer ${ingest}`, "content-type": "application/x-ndjson" }, body: lines.map((one) => JSON.stringify(one)).join("\n") });
  assert.equal(sent.status, 200, sent.body);
  await page.goto(`${world.url}/?application=bank&sort=requests&order=asc`);
  const first = page.locator("tr[data-key]").first();
  await page.getByRole("region", { name: "Sessions" }).getByRole("link", { name: "Score" }).click();
  assert(page.url().includes("sort=-score") && page.url().includes("application=bank"), page.url());
  await eventually("they are measured", async () => { await page.reload(); return !(await text("main")).includes("still being measured"); });
  const score = Number(await first.locator("td").nth(4).innerText());
  assert(score >= 40, `${score}`);
  assert.equal(await first.getAttribute("data-key"), "300".padStart(32, "e"));
  assert((await text("main")).includes("By score: the first 50 of the 300 most recently active sessions that match, which are not all"), await text("main"));
  await look("scores-1280-light");
  const download = page.waitForEvent("download");
  await page.getByRole("link", { name: "This page as CSV" }).click();
  const rows = readFileSync(await (await download).path(), "utf8").split("\r\n");
  assert(rows[0].startsWith("session,first,last,score,requests") && rows[1].startsWith("300".padStart(32, "e")), rows[1]);
  assert.equal(rows[1].split(",")[3], `${score}`);
  await first.locator("a[href^='/sessions/']").click();
  await page.getByRole("region", { name: "What is unusual" }).getByText(`${score} of 100`).waitFor();
});

step("logging out forgets", async () => {
  await page.goto(world.url);
  await page.getByRole("button", { name: "Log out" }).click();
  await page.getByLabel("Viewer or admin token").waitFor();
  await page.goto(`${world.url}/nodes`);
  await page.getByLabel("Viewer or admin token").waitFor();
});

let failed = 0;
for (const [name, run] of steps) {
  problems.length = 0;
  try {
    await run();
    assert.deepEqual(problems.filter((text) => !text.includes("401 (Unauthorized)")), []);
    console.log(`ok - ${name}`);
  } catch (error) {
    failed += 1;
    console.log(`FAILED - ${name}\n${error.stack ?? error}`);
    await page?.screenshot({ path: `${PICTURES}/failed-${failed}.png`, fullPage: true }).catch(() => {});
  }
}
await browser.close();
await world.end();
console.log(`${steps.length - failed} of ${steps.length} steps of the Console passed`);
process.exit(failed ? 1 : 0);
