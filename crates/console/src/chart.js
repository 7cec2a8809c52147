// Charts: dragging or the arrow keys select a period, the legend switches series. A bar is a link without this script, too.
{
  const plotOf = (event) => event.target.closest?.("svg[data-from]");
  let drag = null;

  const share = (svg, x) => {
    const box = svg.getBoundingClientRect();
    return Math.min(1, Math.max(0, (x - box.left) / box.width));
  };
  const show = () => {
    const [left, right] = [drag.start, drag.end].sort((a, b) => a - b);
    drag.band.setAttribute("x", `${left * 100}%`);
    drag.band.setAttribute("width", `${(right - left) * 100}%`);
  };
  const end = () => {
    drag?.band.remove();
    drag = null;
    delete document.body.dataset.dragging;
  };

  /** Shows the list of the selected time. */
  const select = () => {
    const { from, to, list } = drag.svg.dataset;
    const [left, right] = [drag.start, drag.end].sort((a, b) => a - b);
    const time = (part) => Math.round(Number(from) + (Number(to) - Number(from)) * part);
    const next = new URL(list, location.href);
    next.searchParams.set("from", new Date(time(left)).toISOString());
    next.searchParams.set("to", new Date(time(right)).toISOString());
    location.assign(next);
  };
  const bandOf = (svg) => {
    const band = document.createElementNS(svg.namespaceURI, "rect");
    band.setAttribute("class", "band");
    band.setAttribute("height", "100%");
    return band;
  };

  document.addEventListener("pointerdown", (event) => {
    const svg = plotOf(event);
    if (!svg || event.button !== 0 || event.pointerType === "touch") return;
    event.preventDefault();
    end();
    const band = bandOf(svg);
    const at = share(svg, event.clientX);
    drag = { svg, band, start: at, end: at, x: event.clientX };
  });
  document.addEventListener("pointermove", (event) => {
    if (!drag || drag.first !== undefined) return;
    drag.end = share(drag.svg, event.clientX);
    if (!drag.band.isConnected && Math.abs(event.clientX - drag.x) < 4) return;
    // The page is not refreshed under the pointer.
    document.body.dataset.dragging = "";
    drag.svg.append(drag.band);
    show();
  });
  document.addEventListener("pointerup", () => {
    if (drag?.first !== undefined) return;
    if (!drag?.band.isConnected) return end();
    // The click that follows would follow the link of a bar.
    addEventListener("click", (click) => { click.preventDefault(); click.stopPropagation(); }, { capture: true, once: true });
    select();
  });
  document.addEventListener("pointercancel", end);

  // By keyboard, a slider before the chart goes over its intervals: arrows move, with Shift they extend, Enter selects.
  const intervals = (svg) => [...svg.querySelectorAll("a[data-ts] > title")].map((title) => title.textContent);
  const steer = (svg) => {
    if (svg.previousElementSibling?.matches("[role=slider]")) return;
    const slider = document.createElement("div");
    slider.className = "hidden";
    slider.tabIndex = 0;
    slider.setAttribute("role", "slider");
    slider.setAttribute("aria-label", "Time on the chart: arrow keys move, with Shift they extend, Enter shows the sessions");
    slider.setAttribute("aria-valuemin", "1");
    slider.setAttribute("aria-valuemax", String(intervals(svg).length));
    svg.before(slider);
    tell(svg, intervals(svg).length - 1, intervals(svg).length - 1);
  };
  const tell = (svg, first, last) => {
    const all = intervals(svg);
    const until = first === last ? "" : `, to ${all[Math.max(first, last)]}`;
    const slider = svg.previousElementSibling;
    slider.setAttribute("aria-valuenow", String(last + 1));
    slider.setAttribute("aria-valuetext", `${all[Math.min(first, last)]}${until}`);
  };
  const MOVES = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10, Home: -Infinity, End: Infinity };
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") return end();
    const svg = event.target.matches?.("[role=slider]") && event.target.nextElementSibling;
    if (!svg || event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.key === "Enter" && drag) {
      event.preventDefault();
      return select();
    }
    const move = MOVES[event.key];
    if (move === undefined) return;
    event.preventDefault();
    const count = intervals(svg).length;
    const isNew = drag?.svg !== svg;
    if (isNew) drag = { svg, band: bandOf(svg), first: count - 1, last: count - 1 };
    // The first key shows where one is.
    const last = isNew && Math.abs(move) === 1 ? drag.last : Math.min(count - 1, Math.max(0, drag.last + move));
    drag.first = event.shiftKey ? drag.first : last;
    drag.last = last;
    drag.start = Math.min(drag.first, last) / count;
    drag.end = (Math.max(drag.first, last) + 1) / count;
    document.body.dataset.dragging = "";
    svg.append(drag.band);
    show();
    tell(svg, drag.first, last);
  });
  document.addEventListener("focusout", (event) => { if (event.target.matches?.("[role=slider]") && drag?.first !== undefined) end(); });
  const steerAll = () => document.querySelectorAll("svg[data-from]").forEach(steer);
  document.addEventListener("refreshed", steerAll);
  steerAll();
  document.addEventListener("dragstart", (event) => { if (plotOf(event)) event.preventDefault(); });

  // Series stay switched off when the page refreshes.
  const hidden = new Set();
  const scaleOf = (most) => {
    for (let power = 1; ; power *= 10) {
      for (const factor of [1, 2, 5]) if (power * factor >= most) return power * factor;
    }
  };
  const abbreviated = (number) => {
    const [unit, letter] = [[1e9, "G"], [1e6, "M"], [1e3, "k"]].find(([unit]) => number >= unit) ?? [1, ""];
    return `${Math.floor(number / unit * 10) / 10}${letter}`;
  };
  /** The axis ends at what the series that are shown reach. */
  const rescale = (svg) => {
    const bars = [...svg.querySelectorAll("rect[data-value]")];
    const valueOf = (bar) => Number(bar.dataset.value);
    const shown = bars.filter((bar) => !hidden.has(bar.classList[0])).map(valueOf);
    const most = scaleOf(shown.reduce((a, b) => Math.max(a, b), 1));
    const [top, height] = [Number(svg.dataset.top), Number(svg.dataset.height)];
    for (const bar of bars) {
      const high = Math.min(height, Math.max(valueOf(bar) / most * height, 2));
      bar.setAttribute("y", (top + height - high).toFixed(1));
      bar.setAttribute("height", high.toFixed(1));
    }
    for (const text of svg.querySelectorAll("text.scale")) {
      const value = most * Number(text.dataset.share);
      text.textContent = Number.isInteger(value) ? abbreviated(value) : "";
    }
  };
  const apply = () => {
    for (const button of document.querySelectorAll("button[data-series]")) {
      const isOff = hidden.has(button.dataset.series);
      button.disabled = false;
      button.setAttribute("aria-pressed", String(!isOff));
      button.closest("figure").classList.toggle(`without-${button.dataset.series}`, isOff);
    }
    document.querySelectorAll("svg[data-from]").forEach(rescale);
  };
  document.addEventListener("click", (event) => {
    const series = event.target.closest?.("button[data-series]")?.dataset.series;
    if (!series) return;
    if (!hidden.delete(series)) hidden.add(series);
    apply();
  });
  document.addEventListener("refreshed", apply);
  apply();
}
