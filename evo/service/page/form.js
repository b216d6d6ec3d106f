// The form of a new search: what is typed is checked by the service, and the function drawn.

import { ask, get, post } from "./api.js";
import { h, say } from "./dom.js";
import { drawFunction, place } from "./plots.js";

const WAIT = 300; // between the last key and a check [ms]
const DTYPES = ["real", "float32", "bfloat16", "float16", "float64"];

function field(name, label, input, wide) {
  input.id = `entry-${name}`;
  input.name = name;
  return h("div", { class: wide ? "wide" : null }, h("label", { for: input.id }, label), input);
}

const choice = (values) => h("select", {}, values.map(([value, text]) => h("option", { value }, text)));
const typed = (entries = {}) => h("input", { autocomplete: "off", spellcheck: "false", ...entries });

// The specification as the form has it; what is left empty is the service's own choice.
function entries(form) {
  const value = (name) => form.elements[name].value.trim();
  const found = { target: value("target") };
  if (value("lo") || value("hi")) found.interval = [value("lo"), value("hi")];
  for (const name of ["metric", "ops", "time", "error"]) if (value(name)) found[name] = value(name);
  for (const name of ["max_ops", "seed"]) if (value(name)) found[name] = Number(value(name));
  if (value("dtype") !== "real") found.dtype = value("dtype");
  if (value("require")) found.require = value("require").split(/\s+/);
  if (form.elements.full.checked) found.full = true;
  return found;
}

export async function form(whenSent) {
  const catalogue = await get("/targets");
  const note = h("p", { class: "note", id: "note", role: "status" });
  const graph = place("Graph of the function");
  const send = h("button", { class: "main", type: "submit" }, "Start the search");
  const full = h("input", { type: "checkbox", id: "entry-full", name: "full" });
  const made = h("form", { novalidate: true, "aria-describedby": "note" },
    h("div", { class: "fields" },
      field("target", "Function of x", typed({ list: "catalogue", required: true, placeholder: "exp2, or sin(x)/x", maxlength: 2000 }), true),
      h("datalist", { id: "catalogue" }, catalogue.map((row) => h("option", { value: row.name }, row.description))),
      field("lo", "From", typed({ placeholder: "0" })),
      field("hi", "To", typed({ placeholder: "1, or pi/4" })),
      field("max_ops", "Operations, at most", typed({ type: "number", min: 1, max: 32, value: 8 })),
      field("time", "Time", typed({ value: "60s" }))),
    h("details", {}, h("summary", {}, "More"),
      h("div", { class: "fields" },
        field("ops", "Operations", typed({ value: "+ - * /" })),
        field("metric", "Error", choice([["", "the function's own"], ["relative", "relative"], ["absolute", "absolute"], ["ulp", "ulp (floats)"]])),
        field("error", "Stop at error", typed({ placeholder: "1e-7" })),
        field("dtype", "Arithmetic", choice(DTYPES.map((name) => [name, name]))),
        field("require", "Required of floats", typed({ placeholder: "monotonic exact:0,1" })),
        field("seed", "Seed", typed({ type: "number", min: 0, value: 0 })),
        field("cores", "Cores", typed({ type: "number", min: 1, value: 1 })),
        h("div", {}, h("label", { for: "entry-full" }, full, " on all floats")))),
    note, h("div", { class: "row" }, send));

  const tell = (text, wrong, entry = "") => {
    note.textContent = text;
    note.className = `note ${wrong ? "bad" : "dim"}`;
    send.disabled = wrong;
    const name = { interval: "lo", "spec.interval": "lo" }[entry] || entry.replace("spec.", "");
    for (const input of made.querySelectorAll("input, select")) input.removeAttribute("aria-invalid");
    if (wrong) made.elements[made.elements[name] ? name : "target"]?.setAttribute("aria-invalid", "true");
  };

  let timer, running = new AbortController();
  async function check() {
    running.abort();
    running = new AbortController();
    const { signal } = running;
    const spec = entries(made);
    if (!spec.target) return tell("Name a function of the list, or write an expression of x.", false);
    const { target, interval } = spec;
    const metric = spec.metric === "ulp" ? undefined : spec.metric;
    try {
      await post("/check", { spec }, { signal });
      const found = await post("/targets/check", { target, interval, metric }, { signal });
      if (signal.aborted) return;
      const [lo, hi] = found.interval;
      tell(`${found.target} on (${lo}, ${hi}), ${spec.metric || found.metric} error`, false);
      graph.setAttribute("aria-label", `Graph of ${found.target} on (${lo}, ${hi})`);
      drawFunction(graph, found.x, found.y, found.target);
    } catch (error) {
      if (error.name === "AbortError" || signal.aborted) return;
      tell(error.message, true, error.entry);
    }
  }
  made.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(check, WAIT); });
  made.addEventListener("submit", async (event) => {
    event.preventDefault();
    send.disabled = true;
    const key = crypto.randomUUID?.() ?? String(Math.random());
    try {
      const body = { spec: entries(made), cores: Number(made.elements.cores.value) || 1 };
      const job = await (await ask("POST", "/jobs", body, {
        headers: { "Content-Type": "application/json", "Idempotency-Key": key },
      })).json();
      say("The search is submitted");
      whenSent(job);
    } catch (error) {
      tell(error.message, true, error.entry);
      send.disabled = false;
    }
  });
  made.elements.target.value = "exp2";
  check();
  return h("section", { class: "pair", "aria-label": "New search" }, made, graph);
}
