// The list of jobs: what runs, what waits, at which place and why.

import { get, repeat } from "./api.js";
import { h, table } from "./dom.js";

const TONE = { succeeded: "good", failed: "bad", recovering: "warm", stopping: "warm" };

export const state = (job) => h("span", { class: TONE[job.state] }, job.state);
export const reason = (job) => (job.queue ? `place ${job.queue.place}: ${job.queue.reason}` : job.cause);

export function jobs(signal) {
  const where = h("div", {});
  const more = h("div", { class: "row" });
  let limit = 20;
  async function show() {
    const [found, queue] = await Promise.all([get(`/jobs?limit=${limit}`), get("/queue")]);
    const busy = queue.active.reduce((sum, job) => sum + job.cores, 0);
    const rows = found.jobs.map((job) => [
      h("a", { href: `#/job/${job.id}` }, job.title), job.owner, state(job), reason(job),
    ]);
    const focused = document.activeElement?.closest?.("table") && document.activeElement.getAttribute("href");
    where.replaceChildren(
      h("p", { class: "dim" }, `${busy} of ${queue.cores} cores busy, ${queue.waiting.length} waiting`),
      rows.length ? table([["function"], ["owner"], ["state"], ["why"]], rows, "Jobs") : h("p", {}, "No jobs yet."));
    if (focused) [...where.querySelectorAll("a")].find((a) => a.getAttribute("href") === focused)?.focus();
    more.replaceChildren(...(found.next ? [h("button", { type: "button", onclick: () => { limit = Math.min(200, limit + 40); show(); } }, "Older jobs")] : []));
  }
  repeat(show, 2, signal).catch((error) => where.replaceChildren(h("p", { class: "bad" }, error.message)));
  return h("section", { "aria-label": "Jobs" }, h("h2", {}, "Jobs"), where, more);
}
