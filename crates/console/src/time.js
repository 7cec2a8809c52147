// Times in the reader's zone, with UTC on hover. Without this script they are UTC, as the headings say.
{
  const two = (number) => String(number).padStart(2, "0");
  const day = (at) => `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  const clock = (at) => `${two(at.getHours())}:${two(at.getMinutes())}`;
  const zone = new Intl.DateTimeFormat("en-GB", { timeZoneName: "short" }).formatToParts(new Date()).find((part) => part.type === "timeZoneName").value;
  const isUtc = new Date().getTimezoneOffset() === 0;

  function localize(root) {
    for (const element of root.querySelectorAll("time[datetime]:not([title])")) {
      const at = new Date(element.dateTime);
      if (Number.isNaN(at.getTime())) continue;
      element.title = `${element.textContent} UTC`;
      const fraction = "exact" in element.dataset ? `.${String(at.getMilliseconds()).padStart(3, "0")}` : "";
      element.textContent = `${day(at)} ${clock(at)}:${two(at.getSeconds())}${fraction}`;
    }
    for (const heading of root.querySelectorAll("th, dt, th a")) {
      for (const node of heading.childNodes) {
        if (node.nodeType === Node.TEXT_NODE) node.data = node.data.replace("(UTC)", `(${zone})`);
      }
    }
    root.querySelectorAll("[data-zone]").forEach((element) => { element.textContent = zone; });
    let before = "";
    for (const tick of root.querySelectorAll("text.tick[data-ts]")) {
      const at = new Date(Number(tick.dataset.ts));
      // The first of a day says which.
      tick.textContent = before && before !== day(at) ? day(at).slice(5) : clock(at);
      before = day(at);
    }
    for (const title of root.querySelectorAll("svg [data-ts] > title")) {
      const at = new Date(Number(title.parentElement.dataset.ts));
      title.textContent = title.textContent.replace(/^\S+ \S+ UTC/, `${day(at)} ${clock(at)} ${zone}`);
    }
  }

  if (!isUtc) {
    localize(document);
    document.addEventListener("refreshed", () => localize(document));
  }
}
