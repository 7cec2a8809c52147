// Pictures of the Console for README and docs, from generated traffic of a day. `node pictures.mjs DIR WIDTH…`
// writes DIR/PAGE-WIDTH-THEME.png. Run by scripts/screenshots.
import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { eventually, freePort, send } from "./world.mjs";

const [out, ...widths] = process.argv.slice(2);
mkdirSync(out, { recursive: true });
const dir = mkdtempSync(join(tmpdir(), "api-sessions-pictures-"));
const port = await freePort();
const url = `http://127.0.0.1:${port}`;
const program = process.env.API_SESSIONS_CLOUD;
const cloud = spawn(program, ["--listen", `127.0.0.1:${port}`, "--data", dir], { stdio: "ignore" });
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM || "/usr/bin/chromium", args: ["--no-sandbox", "--disable-gpu"] });
try {
  await eventually("the cloud answers", () => send(port, "/healthz").then((a) => a.status === 200, () => false));
  // Traffic that grows over the day.
  for (const [seed, requests, days] of [[1, 12000, 1], [2, 9000, 0.7], [3, 7000, 0.4], [4, 2000, 0.12]]) {
    const traffic = ["generate", "--data", dir, "--url", url, "--seed", seed, "--requests", requests, "--days", days, "--sessions", 60, "--length", 28, "--connections", 1];
    const made = spawnSync(program, traffic.map(String), { encoding: "utf8" });
    if (made.status !== 0) throw new Error(made.stderr);
  }
  const admin = readFileSync(join(dir, "admin.token"), "utf8").trim();
  const api = { authorization: `Bearer ${admin}` };
  const ask = (path) => send(port, path, { headers: api }).then((answer) => JSON.parse(answer.body));
  const { sessions } = await ask("/v1/sessions?attack=any&sort=-requests");
  const shown = sessions[0].session;
  await send(port, "/v1/denylist", { method: "POST", headers: api, body: JSON.stringify({ session: sessions[1].session, seconds: 86400, reason: "credential stuffing" }) });
  // The list shows scores once they are measured.
  await eventually("scores", async () => (await ask("/v1/sessions")).pending === undefined);
  for (const width of widths.map(Number)) {
    for (const theme of ["light", "dark"]) {
      const context = await browser.newContext({ viewport: { width, height: 900 }, colorScheme: theme });
      const page = await context.newPage();
      const take = (name) => page.screenshot({ path: join(out, `${name}-${width}-${theme}.png`) });
      await page.goto(`${url}/login?token=${admin}`);
      await page.waitForLoadState("networkidle");
      await take("overview");
      await page.goto(`${url}/sessions/${shown}?attack=any`);
      await page.keyboard.press("j");
      await page.keyboard.press("Enter");
      await page.getByRole("heading", { name: "Full content" }).or(page.locator("tr.opened dl")).first().waitFor();
      await take("session");
      for (const name of (process.env.PAGES ?? "").split(" ").filter(Boolean)) {
        await page.goto(`${url}/${name}`);
        await page.waitForLoadState("networkidle");
        await take(name.split(/[/?]/)[0]);
      }
      await context.close();
    }
  }
} finally {
  await browser.close();
  cloud.kill("SIGTERM");
  await new Promise((done) => cloud.on("exit", done));
  rmSync(dir, { recursive: true, force: true });
}
