// Elements from texts: nothing that comes from elsewhere is ever read as HTML.

// An element: h("a", {href: "#/", class: "x", onclick: f}, "text", other, ...). Null children are left out.
export function h(tag, entries = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(entries)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value != null) made.setAttribute(name, value);
  }
  made.append(...children.flat().filter((child) => child != null));
  return made;
}

// A table whose rows are cards on a phone. Columns: [name, whether a number]; rows: lists of texts and elements.
export function table(columns, rows, caption) {
  const cell = (value, i) =>
    h("td", { "data-name": columns[i][0], class: columns[i][1] ? "num" : null }, value ?? "");
  return h("table", { class: "cards" },
    h("caption", { class: "unseen" }, caption),
    h("thead", {}, h("tr", {}, columns.map(([name, number]) =>
      h("th", { scope: "col", class: number ? "num" : null }, name)))),
    h("tbody", {}, rows.map((row) => h("tr", {}, row.map(cell)))));
}

export const error = (value) => (value == null ? "" : value.toExponential(4));
export const seconds = (value) => (value == null ? "" : value < 100 ? `${value.toFixed(1)} s` : `${Math.round(value)} s`);
export const when = (unix) => (unix == null ? "" : new Date(1000 * unix).toLocaleString());

// Tells those who hear the page what those who see it see.
export function say(text) {
  document.getElementById("said").textContent = text;
}

// A button that copies what `text` gives, and says so.
export function copier(text, what) {
  const button = h("button", { type: "button", class: "copy" }, `Copy ${what}`);
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text());
      button.textContent = "Copied";
      say(`${what} copied`);
    } catch {
      button.textContent = "Copying is not allowed here";
    }
    setTimeout(() => { button.textContent = `Copy ${what}`; }, 2000);
  });
  return button;
}
