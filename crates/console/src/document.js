// A document is chosen as a file, too, and read in the browser.
for (const input of document.querySelectorAll("input[type=file][data-fills]")) {
  const field = input.form.elements.namedItem(input.dataset.fills);
  input.closest("label").hidden = false;
  input.addEventListener("change", async () => { field.value = (await input.files[0]?.text()) ?? ""; });
}
