// Rules: form and directive follow each other, trying happens in place.
const rule = document.querySelector("[data-rule]");
if (rule) {
  const FIELDS = ["name", "on", "when", "over", "count", "per", "then", "mode"];
  const field = (name, of = rule) => of.elements.namedItem(name);
  // Not rule.action, which is the button of that name.
  const ask = async (more) => {
    const sent = new URLSearchParams(new FormData(rule));
    for (const [name, value] of Object.entries({ part: "1", ...more })) sent.set(name, value);
    const answer = await fetch(rule.getAttribute("action"), { method: "POST", body: sent });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    return page.querySelector("[data-rule]") ?? Promise.reject(new Error(page.querySelector(".notice")?.textContent ?? "no answer"));
  };
  const show = (name, of) => rule.querySelector(`[data-${name}]`).replaceChildren(...of.querySelector(`[data-${name}]`).childNodes);
  let timer = 0, asked = 0;
  const follow = (side) => {
    clearTimeout(timer);
    timer = setTimeout(async () => {
      const number = ++asked;
      try {
        const fresh = await ask({});
        // Typing went on meanwhile.
        if (number !== asked) return;
        show("error", fresh);
        if (side === "form") field("directive").value = field("directive", fresh).value;
        else for (const name of FIELDS) field(name).value = field(name, fresh).value;
        if (!fresh.querySelector("[data-error]").textContent) field("was").value = field("was", fresh).value;
      } catch { /* unreachable: the next change asks again */ }
    }, 200);
  };
  for (const name of FIELDS) {
    field(name).addEventListener("input", () => {
      asked++;
      // The form counts from now on, also if it is sent before the answer is here.
      field("directive").value = field("was").value;
      follow("form");
    });
  }
  field("directive").addEventListener("input", () => { asked++; follow("directive"); });
  rule.querySelector("[data-follow]").hidden = true;
  rule.querySelector("[data-try]").addEventListener("click", async (event) => {
    event.preventDefault();
    const button = event.target, output = rule.querySelector("[data-result]");
    button.disabled = true;
    output.textContent = "Trying …";
    try {
      const fresh = await ask({ action: "try" });
      show("error", fresh);
      show("result", fresh);
      for (const use of output.querySelectorAll("[data-threshold]")) use.hidden = false;
    } catch (error) { output.textContent = error.message; }
    button.disabled = false;
  });
  rule.addEventListener("click", (event) => {
    const use = event.target.closest("[data-threshold]");
    if (!use) return;
    const over = field("over");
    field("directive").value = field("was").value;
    over.value = use.dataset.threshold + (over.value.includes("/") ? over.value.slice(over.value.indexOf("/")) : "/10m");
    follow("form");
    over.focus();
  });
}
