// Requests of a session open in place: by click, or j and k to move, Enter to open, Esc to close. Without this
// script, a request opens on its own page.
{
  const list = document.querySelector("[data-requests]");
  const links = () => [...list.querySelectorAll("a[data-request]")];

  // Headings of the page become headings below those of this page.
  const lowered = (element, level) => {
    const heading = document.createElement(`h${level}`);
    heading.append(...element.childNodes);
    element.replaceWith(heading);
  };

  function close() {
    const opened = list.querySelector("tr.opened");
    if (!opened) return null;
    const link = opened.previousElementSibling.querySelector("a[data-request]");
    link.setAttribute("aria-expanded", "false");
    opened.remove();
    return link;
  }

  async function open(link) {
    const row = link.closest("tr");
    close();
    link.setAttribute("aria-expanded", "true");
    const opened = document.createElement("tr");
    opened.className = "opened";
    const cell = opened.insertCell();
    cell.colSpan = row.cells.length;
    cell.textContent = "Loading…";
    row.after(opened);
    try {
      const answer = await fetch(link.href, { headers: { accept: "text/html" } });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const content = page.querySelector("[data-request-detail]") ?? page.querySelector("main .notice");
      content.querySelectorAll("h1").forEach((element) => lowered(element, 3));
      content.querySelectorAll("h2").forEach((element) => lowered(element, 4));
      cell.replaceChildren(content);
      document.dispatchEvent(new Event("refreshed"));
    } catch {
      cell.textContent = "The request could not be loaded.";
    }
    row.scrollIntoView({ block: opened.getBoundingClientRect().bottom > innerHeight ? "start" : "nearest" });
  }

  if (list) {
    document.querySelector("[data-keys]")?.removeAttribute("hidden");
    links().forEach((link) => link.setAttribute("aria-expanded", "false"));
    list.addEventListener("click", (event) => {
      const link = event.target.closest("a[data-request]");
      if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      if (link.getAttribute("aria-expanded") === "true") close(); else open(link);
    });
    document.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea")) return;
      if (event.key === "Escape") { close()?.focus(); return; }
      const step = { j: 1, k: -1 }[event.key];
      if (!step) return;
      const all = links();
      const focused = all.indexOf(document.activeElement);
      const at = focused >= 0 ? focused : all.findIndex((link) => link.getAttribute("aria-expanded") === "true");
      const next = all[at < 0 ? 0 : Math.min(all.length - 1, Math.max(0, at + step))];
      if (!next) return;
      event.preventDefault();
      // A moved view stays open.
      const isOpen = list.querySelector("tr.opened") !== null;
      next.focus();
      next.scrollIntoView({ block: "nearest" });
      if (isOpen && next.getAttribute("aria-expanded") !== "true") open(next);
    });
  }
}
