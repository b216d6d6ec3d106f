// Which page is shown: #/ the form and the jobs, #/job/ID, #/job/ID/OPS, #/best; a token is asked for where it takes one.

import { ask, get } from "./api.js";
import { best } from "./best.js";
import { h } from "./dom.js";
import { form } from "./form.js";
import { formula } from "./formula.js";
import { job } from "./job.js";
import { jobs } from "./jobs.js";

const view = document.getElementById("view"), who = document.getElementById("who");
let leaving = new AbortController();

async function page(signal) {
  const [kind, id, ops] = location.hash.replace(/^#\/?/, "").split("/");
  if (kind === "job" && ops !== undefined) return formula(id, Number(ops));
  if (kind === "job") return job(id, signal);
  if (kind === "best") return best();
  const made = await form((sent) => { location.hash = `#/job/${sent.id}`; });
  return h("div", {}, h("h1", {}, "New search"), made, jobs(signal));
}

function signIn(message) {
  const token = h("input", { id: "token", type: "password", autocomplete: "current-password" });
  const note = h("p", { class: "bad", role: "alert" }, message);
  const made = h("form", {}, h("h1", {}, "A token is needed"),
    h("p", {}, "Whoever runs this service makes one with ", h("code", {}, "evonum token create"), "."),
    h("label", { for: "token" }, "Token"), token, note,
    h("div", { class: "row" }, h("button", { class: "main", type: "submit" }, "Sign in")));
  made.addEventListener("submit", async (event) => {
    event.preventDefault();
    try {
      await ask("POST", "/session", { token: token.value.trim() });
      await show();
    } catch (problem) {
      note.textContent = problem.message;
    }
  });
  return made;
}

async function greet() {
  const [me, { mlflow }] = await Promise.all([get("/me"), get("/queue")]);
  const link = mlflow && h("a", { href: `${mlflow}/#/experiments?workflowType=machine_learning` }, "MLflow");
  document.getElementById("mlflow").replaceChildren(...(link ? [link] : []));
  const leave = async () => { await ask("DELETE", "/session"); await show(); };
  const out = me.owner === "local" ? null : h("button", { type: "button", onclick: leave }, "Sign out");
  who.replaceChildren(h("span", {}, me.owner, " "), ...(out ? [out] : []));
}

async function show(event) {
  leaving.abort();
  leaving = new AbortController();
  const { signal } = leaving;
  let made;
  try {
    await greet();
    made = await page(signal);
  } catch (problem) {
    made = problem.status === 401 ? signIn("") : h("p", { class: "bad", role: "alert" }, problem.message);
    if (problem.status === 401) who.replaceChildren();
  }
  if (signal.aborted) return;
  view.replaceChildren(made);
  document.title = `evonum: ${view.querySelector("h1")?.textContent ?? "searches"}`;
  if (event) {
    view.focus();
    scrollTo(0, 0);
  }
}

addEventListener("hashchange", (event) => (location.hash.startsWith("#/") || !location.hash ? show(event) : null));
show();
