// Refresh: brings the elements with data-live up to date periodically, until paused. A list with data-tail does not
// move while it is read: its rows change in place, and what is newer waits behind a button.
{
  const refresh = document.querySelector("[data-refresh]");
  const KEY = "api-sessions-paused";
  let paused = localStorage.getItem(KEY) === "1";

  const isRead = (live) => {
    const selected = getSelection();
    return live.matches(":hover") || live.contains(document.activeElement)
      || live.getBoundingClientRect().top < 0
      || (!selected.isCollapsed && live.contains(selected.anchorNode));
  };

  function replace(live, fresh) {
    // What was unfolded stays so.
    for (const open of live.querySelectorAll("details[open][data-keep]")) {
      fresh.querySelector(`details[data-keep="${open.dataset.keep}"]`)?.setAttribute("open", "");
    }
    live.replaceChildren(...fresh.childNodes);
  }

  /** Rows that are there change in place; gives the number of those that are not. */
  function update(live, fresh) {
    let newer = 0;
    for (const row of fresh.querySelectorAll("tr[data-key]")) {
      const known = live.querySelector(`tr[data-key="${CSS.escape(row.dataset.key)}"]`);
      if (!known) newer += 1;
      else if (!known.contains(document.activeElement)) known.replaceChildren(...row.cloneNode(true).childNodes);
    }
    return newer;
  }

  function offer(live, fresh, newer) {
    let button = live.querySelector("button[data-newer]");
    if (!button) {
      button = document.createElement("button");
      button.type = "button";
      button.className = "newer";
      button.dataset.newer = "";
      live.prepend(button);
    }
    button.textContent = newer === 1 ? "Show 1 newer session" : `Show ${newer} newer sessions`;
    button.onclick = () => {
      replace(live, fresh);
      document.dispatchEvent(new Event("refreshed"));
      live.querySelector("[tabindex], a")?.focus({ preventScroll: true });
    };
  }

  async function load() {
    try {
      const answer = await fetch(location.href, { headers: { accept: "text/html" } });
      if (!answer.ok || answer.redirected) return;
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const all = page.querySelectorAll("[data-live]");
      const title = page.querySelector("h1");
      for (const [at, live] of document.querySelectorAll("[data-live]").entries()) {
        const fresh = all[at];
        if (!fresh || "dragging" in document.body.dataset) continue;
        if ("tail" in live.dataset && isRead(live)) {
          const newer = update(live, fresh);
          if (newer > 0) offer(live, fresh, newer);
        } else if (!live.contains(document.activeElement)) {
          replace(live, fresh);
        }
      }
      document.dispatchEvent(new Event("refreshed"));
      if (title) document.querySelector("h1").textContent = title.textContent;
    } catch { /* unreachable: the next refresh retries */ }
  }

  if (refresh) {
    const show = () => {
      refresh.textContent = paused ? "Paused – refresh" : "Refreshing – pause";
      refresh.setAttribute("aria-pressed", String(!paused));
    };
    refresh.hidden = false;
    show();
    refresh.addEventListener("click", () => {
      paused = !paused;
      localStorage.setItem(KEY, paused ? "1" : "0");
      show();
      if (!paused) load();
    });
    setInterval(() => { if (!paused && !document.hidden) load(); }, Number(refresh.dataset.refresh) * 1000);
  }
  const wait = document.querySelector("[data-refresh-page]");
  if (wait) setTimeout(() => location.reload(), Number(wait.dataset.refreshPage) * 1000);
}
