// Requests to /api/v1; refusals are thrown as they were told.

export class Refused extends Error {
  constructor(problem, status) {
    super(problem.detail || `The service answers ${status}.`);
    this.status = status;
    this.entry = problem.entry || "";
  }
}

export async function ask(method, path, body, options = {}) {
  let answer;
  try {
    answer = await fetch(`api/v1${path}`, {
      method,
      headers: body === undefined ? {} : { "Content-Type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
      ...options,
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refused({ detail: "The service does not answer; is it running?" }, 0);
  }
  if (!answer.ok) throw new Refused(await answer.json().catch(() => ({})), answer.status);
  return answer;
}

export const get = async (path) => (await ask("GET", path)).json();
export const text = async (path) => (await ask("GET", path)).text();
export const post = async (path, body = {}, options = {}) => (await ask("POST", path, body, options)).json();

// Runs f every so many seconds while the page is seen, until `signal` aborts; f's first run is waited for.
export async function repeat(f, seconds, signal) {
  await f();
  const timer = setInterval(() => { if (!document.hidden) f().catch(() => {}); }, 1000 * seconds);
  signal.addEventListener("abort", () => clearInterval(timer));
}
