// A formula: set in type, its error curve and proof, its code in every format, the command that repeats it.

import { get, text } from "./api.js";
import { copier, error, h, say } from "./dom.js";
import { drawCurve, place } from "./plots.js";

// LaTeX as evonum exports it: displays between \[ and \], and sentences with $ ... $; comments apart.
function typeset(latex) {
  const rest = latex.split("\n").filter((line) => !line.startsWith("%")).join("\n");
  const set = (source, display) => {
    const made = h(display ? "div" : "span", { class: "formula", tabindex: display ? 0 : null, role: display ? "group" : null, "aria-label": display ? "Formula" : null });
    katex.render(source, made, { displayMode: display, throwOnError: false, trust: false });
    return made;
  };
  return rest.split(/\\\[([\s\S]*?)\\\]/).map((part, i) => (i % 2
    ? set(part, true)
    : h("p", {}, part.split(/\$(.*?)\$/).map((piece, k) => (k % 2 ? set(piece, false) : piece)))));
}

function proof(member, certificate, id) {
  if (!certificate) return [h("p", {}, "There is no proof yet: it is made when the search ends.")];
  return [
    h("p", {}, `The error is proved to be at most ${certificate.bound.toLowerCase()} everywhere on ` +
      `(${certificate.interval.join(", ")}), by ${certificate.pieces.length} pieces with Taylor models; ` +
      `at x = ${certificate.lower_x} it is at least ${certificate.lower.toLowerCase()}.`),
    h("dl", {}, h("dt", {}, "sha256"), h("dd", {}, h("code", {}, certificate.digest))),
    h("p", {}, h("a", { href: `api/v1/jobs/${id}/certificates/${member.ops}`, download: `ops-${member.ops}.json` }, "The certificate"),
      ", which ", h("code", {}, "evonum verify FILE"), " checks."),
  ];
}

function codes(id, ops, formats) {
  const pre = h("pre", { tabindex: 0, "aria-label": "Code" }), bar = h("div", { class: "row" });
  let shown = "";
  const path = (name) => `/jobs/${id}/export/${name}?ops=${ops}`;
  const link = h("a", { class: "button", download: true }, "Download");
  const buttons = formats.map((format) => {
    const button = h("button", { type: "button", "aria-pressed": "false" }, format.name);
    button.addEventListener("click", () => show(format, button));
    return button;
  });
  async function show(format, button) {
    for (const other of buttons) other.setAttribute("aria-pressed", String(other === button));
    link.href = `api/v1${path(format.name)}`;
    pre.textContent = "...";
    try {
      shown = format.binary ? "" : await text(path(format.name));
      pre.textContent = format.binary ? "A binary file: download it." : shown;
      say(`Code in ${format.name}`);
    } catch (problem) {
      shown = "";
      pre.textContent = problem.message;
    }
  }
  bar.append(copier(() => shown, "code"), link);
  show(formats[0], buttons[0]);
  return [h("div", { class: "row", role: "group", "aria-label": "Formats" }, buttons), pre, bar];
}

export async function formula(id, ops) {
  const [job, front, pictures, formats, certificate] = await Promise.all([
    get(`/jobs/${id}`), get(`/jobs/${id}/front`), get(`/jobs/${id}/pictures`), get("/formats"),
    get(`/jobs/${id}/certificates/${ops}`).catch(() => null),
  ]);
  const member = front.find((m) => m.ops === ops);
  if (!member) throw new Error(`The job has no formula of ${ops} operations.`);
  const latex = await text(`/jobs/${id}/export/latex?ops=${ops}`).catch(() => "");
  const command = (/its search\s+(.*)/.exec(latex) || [])[1] || "";
  const curve = pictures.curves[String(ops)], graph = place(`Error of the formula over x, at most ${error(member.sampled_error)}`);
  if (curve) requestAnimationFrame(() => drawCurve(graph, curve, member.proved_bound, "error"));
  return h("div", {},
    h("p", {}, h("a", { href: `#/job/${id}` }, `Front of ${job.title}`)),
    h("h1", {}, `${member.target} with ${ops} operations`),
    h("div", { class: "pair" },
      h("section", { "aria-label": "Formula" }, latex ? typeset(latex) : h("pre", {}, member.program)),
      h("section", { "aria-label": "Error" }, h("h2", {}, `Error, ${member.metric}`), graph)),
    h("dl", {},
      h("dt", {}, "largest error found"), h("dd", {}, `${error(member.sampled_error)} at x = ${member.worst_x}`),
      h("dt", {}, "proved bound"), h("dd", {}, error(member.proved_bound) || "none yet"),
      h("dt", {}, "found after"), h("dd", {}, `${member.seconds_to_find} s`)),
    h("h2", {}, "Proof"), proof(member, certificate, id),
    h("h2", {}, "Code"), codes(id, ops, formats),
    h("h2", {}, "The search again"),
    h("pre", { tabindex: 0, "aria-label": "Command" }, command || JSON.stringify(job.spec)),
    h("div", { class: "row" }, copier(() => command || JSON.stringify(job.spec), "command")));
}
