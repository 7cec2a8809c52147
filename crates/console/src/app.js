"use strict";
// Convenience for the Console: copying, ordering, a preview; the other scripts follow it in the same file. Every page works without it.

// Copy: elements with data-copy get a button.
for (const element of document.querySelectorAll("[data-copy]")) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "plain copy";
  button.textContent = "Copy";
  button.addEventListener("click", async () => {
    const text = element.textContent;
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      // Browsers offer no clipboard on plain HTTP: select the text instead.
      getSelection().selectAllChildren(element);
    }
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  });
  element.after(button);
}

// Parameters: reorder by dragging or buttons, remove, add with a preview.
const editor = document.querySelector("[data-parameters]");
if (editor) {
  const body = editor.querySelector("tbody");
  const changed = () => {
    const note = editor.querySelector("[data-changed]");
    if (note) note.hidden = false;
    const none = editor.querySelector("[data-none]");
    if (none) none.hidden = body.rows.length > 0;
  };
  editor.addEventListener("input", changed);
  editor.addEventListener("click", (event) => {
    const row = event.target.closest("tr");
    if (!row || !event.target.closest("button")) return;
    if (event.target.closest("[data-up]") && row.previousElementSibling) row.previousElementSibling.before(row);
    else if (event.target.closest("[data-down]") && row.nextElementSibling) row.nextElementSibling.after(row);
    else if (event.target.closest("[data-remove]")) row.remove();
    else return;
    changed();
    if (row.isConnected) event.target.focus();
  });
  let dragged = null;
  body.addEventListener("dragstart", (event) => {
    dragged = event.target.closest("tr");
    event.dataTransfer.effectAllowed = "move";
  });
  body.addEventListener("dragover", (event) => {
    const over = event.target.closest("tr");
    if (!dragged || !over || over === dragged) return;
    event.preventDefault();
    const box = over.getBoundingClientRect();
    if (event.clientY < box.top + box.height / 2) over.before(dragged); else over.after(dragged);
  });
  body.addEventListener("drop", (event) => event.preventDefault());
  body.addEventListener("dragend", () => { dragged = null; changed(); });

  const adder = document.querySelector("[data-adder]");
  if (adder) {
    const field = (name) => adder.elements.namedItem(name);
    const compose = () => {
      const rest = field("rest").value.trim();
      // Names with dots, brackets or spaces are quoted; paths are not.
      const source = field("source").value;
      const isName = source.endsWith(".") && !source.includes("json");
      const quoted = isName && /[.[\] ]/.test(rest) ? `["${rest}"]` : rest;
      const start = quoted.startsWith("[") ? source.replace(/\.$/, "") : source;
      if (source) field("point").value = start + quoted + field("decoder").value;
      preview();
    };
    let timer = 0;
    const preview = () => {
      clearTimeout(timer);
      timer = setTimeout(async () => {
        const output = adder.querySelector("[data-preview]");
        if (!field("point").value) { output.replaceChildren(); return; }
        const sent = new URLSearchParams(new FormData(adder));
        const answer = await fetch(adder.action, { method: "POST", body: sent });
        if (!answer.ok) return;
        const page = new DOMParser().parseFromString(await answer.text(), "text/html");
        output.replaceChildren(...page.body.childNodes);
      }, 200);
    };
    for (const name of ["source", "rest", "decoder"]) field(name).addEventListener("input", compose);
    for (const name of ["point", "sample"]) field(name).addEventListener("input", preview);
    adder.addEventListener("submit", (event) => { event.preventDefault(); preview(); });
    adder.querySelector("[data-add]").addEventListener("click", () => {
      const point = field("point").value.trim();
      if (!point) { field("point").focus(); return; }
      const row = editor.querySelector("template[data-row]").content.firstElementChild.cloneNode(true);
      row.querySelector("[name=point]").value = point;
      body.append(row);
      changed();
      row.querySelector("[name=name]").focus();
    });
  }
}
