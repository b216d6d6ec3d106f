// A job as it happens: its state, its front beside the classical forms, what it did so far.

import { ask, get, post, repeat } from "./api.js";
import { error, h, say, seconds, table, when } from "./dom.js";
import { reason, state } from "./jobs.js";
import { drawFront, place } from "./plots.js";

const ENDED = ["succeeded", "failed", "stopped"];

function members(id, front) {
  const rows = front.map((m) => [
    h("a", { href: `#/job/${id}/${m.ops}`, "aria-label": `Formula of ${m.ops} operations` }, String(m.ops)),
    error(m.sampled_error), error(m.proved_bound), h("code", {}, m.formula),
  ]);
  return table([["operations", true], ["largest error", true], ["proved", true], ["formula"]], rows, "Front");
}

export async function job(id, signal) {
  const head = h("div", {}), chart = place("Largest error against operations"), list = h("div", {});
  const run = h("p", {}), numbers = h("p", { class: "dim" }), history = h("ol", {});
  let events, shown = "";

  async function act(what, after) {
    try {
      await what();
      after();
    } catch (problem) {
      say(problem.message);
      head.append(h("p", { class: "bad", role: "alert" }, problem.message));
    }
  }

  function buttons(found) {
    const button = (text, what, after) => h("button", { type: "button", onclick: () => act(what, after) }, text);
    if (!ENDED.includes(found.state)) {
      return found.state === "stopping" ? [] : [button("Stop", () => post(`/jobs/${id}/stop`), show)];
    }
    const gone = () => { location.hash = "#/"; };
    const remove = async () => {
      if (confirm("Delete this job and all that it found?")) await ask("DELETE", `/jobs/${id}`);
      else throw new Error("Nothing is deleted.");
    };
    return [
      button("Go on for as long again", () => post(`/jobs/${id}/resume`), follow),
      h("a", { class: "button", href: `api/v1/jobs/${id}/export/c?all=true`, download: true }, "All formulas as C"),
      button("Delete", remove, gone),
    ];
  }

  async function show() {
    const found = await get(`/jobs/${id}`);
    head.replaceChildren(
      h("h1", {}, found.title),
      h("p", {}, state(found), ": ", reason(found)),
      h("dl", {},
        h("dt", {}, "owner"), h("dd", {}, found.owner),
        h("dt", {}, "submitted"), h("dd", {}, when(found.created)),
        h("dt", {}, "core time"), h("dd", {}, seconds(found.core_seconds)),
        h("dt", {}, "asked for"), h("dd", {}, h("code", {}, JSON.stringify(found.spec)))),
      h("div", { class: "row" }, buttons(found), h("a", { class: "button", href: `api/v1/jobs/${id}/log` }, "Log")));
    if (shown && shown !== found.state) say(`The job is ${found.state}`);
    shown = found.state;
  }

  // The link to the job's run in MLflow, which the service makes some time after the job's end.
  async function link() {
    if (run.hasChildNodes()) return;
    const found = (await get(`/jobs/${id}`)).run;
    if (found?.url) run.append(h("a", { href: found.url }, "Its run in MLflow"));
  }

  function follow() {
    events?.close();
    history.replaceChildren();
    events = new EventSource(`api/v1/jobs/${id}/events`);
    events.addEventListener("state", (event) => {
      const told = JSON.parse(event.data);
      history.append(h("li", {}, `${when(told.time)}: ${told.state}: ${told.cause}`));
      show().catch(() => {});
    });
    events.addEventListener("progress", (event) => {
      const told = JSON.parse(event.data);
      const count = (value) => Math.round(value ?? 0).toLocaleString("en");
      numbers.textContent = `${count(told.generations)} generations, ${count(told.evaluations)} programs fitted ` +
        `(${count(told.evaluations_per_s)} a second), ${count(told.skipped)} known ones skipped`;
    });
    events.addEventListener("front", (event) => {
      const told = JSON.parse(event.data);
      drawFront(chart, told.members, told.families);
      const focused = document.activeElement?.getAttribute?.("href");
      list.replaceChildren(members(id, told.members));
      if (focused) list.querySelector(`a[href="${focused}"]`)?.focus();
    });
    events.addEventListener("end", () => { events.close(); show().catch(() => {}); });
  }

  await show();
  follow();
  if ((await get("/queue")).mlflow) await repeat(link, 5, signal);
  signal.addEventListener("abort", () => events.close());
  return h("div", {}, head, run,
    h("h2", {}, "Front"), numbers, h("div", { class: "pair" }, chart, list),
    h("h2", {}, "History"), history);
}
