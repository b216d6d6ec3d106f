// The best formulas of all jobs for a function.

import { get } from "./api.js";
import { error, h, table } from "./dom.js";

export function best() {
  const where = h("div", { role: "status" });
  const input = (name, label, placeholder) => h("div", {},
    h("label", { for: `best-${name}` }, label),
    h("input", { id: `best-${name}`, name, placeholder, autocomplete: "off", spellcheck: "false" }));
  const form = h("form", {}, h("div", { class: "fields" },
    input("target", "Function of x", "exp2"), input("lo", "From", "0"), input("hi", "To", "1"),
    input("ops", "Operations, at most", "all"), h("button", { class: "main", type: "submit" }, "Show")));
  form.elements.target.value = "exp2";
  async function show(event) {
    event?.preventDefault();
    const value = (name) => form.elements[name].value.trim();
    const query = new URLSearchParams({ target: value("target") });
    if (value("lo") || value("hi")) for (const end of ["lo", "hi"]) query.append("interval", value(end));
    if (value("ops")) query.set("ops", value("ops"));
    try {
      const found = await get(`/best?${query}`);
      const rows = found.members.map((m) => [
        h("a", { href: `#/job/${m.job}/${m.ops}`, "aria-label": `Formula of ${m.ops} operations` }, String(m.ops)),
        error(m.sampled_error), error(m.proved_bound), m.owner, h("code", {}, m.formula),
      ]);
      where.replaceChildren(
        h("h2", {}, `${found.target} on (${found.interval.join(", ")}), ${found.metric} error`),
        rows.length
          ? table([["operations", true], ["largest error", true], ["proved", true], ["owner"], ["formula"]], rows, "Best formulas")
          : h("p", {}, "No job has found such a formula yet."));
    } catch (problem) {
      where.replaceChildren(h("p", { class: "bad" }, problem.message));
    }
  }
  form.addEventListener("submit", show);
  show();
  return h("div", {}, h("h1", {}, "Best formulas of all jobs"), form, where);
}
