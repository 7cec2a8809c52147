// Saved views: names for addresses, kept in this browser.
{
  const KEY = "api-sessions-views";
  const place = document.querySelector("[data-views]");
  const load = () => { try { return JSON.parse(localStorage.getItem(KEY)) ?? []; } catch { return []; } };

  const button = (text, label, act) => {
    const made = document.createElement("button");
    made.type = "button";
    made.className = "plain";
    made.textContent = text;
    made.setAttribute("aria-label", label);
    made.addEventListener("click", act);
    return made;
  };

  function show() {
    const list = place.querySelector("ul");
    list.replaceChildren(...load().map(({ name, query }) => {
      const item = document.createElement("li");
      const link = document.createElement("a");
      link.href = location.pathname + query;
      link.textContent = name;
      if (query === location.search) link.setAttribute("aria-current", "true");
      item.append(link, button("✕", `Forget the view ${name}`, () => {
        localStorage.setItem(KEY, JSON.stringify(load().filter((view) => view.name !== name)));
        show();
        place.querySelector("input").focus();
      }));
      return item;
    }));
  }

  if (place) {
    place.hidden = false;
    show();
    place.querySelector("form").addEventListener("submit", (event) => {
      event.preventDefault();
      const field = place.querySelector("input");
      const name = field.value.trim();
      if (!name) return;
      const views = load().filter((view) => view.name !== name);
      localStorage.setItem(KEY, JSON.stringify([...views, { name, query: location.search }]));
      field.value = "";
      place.querySelector("details").open = false;
      show();
    });
  }
}
