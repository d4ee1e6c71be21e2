// Requests to the server of this page, and what the page says to its user.

export const find = (id) => document.getElementById(id);

/** An answer of the server's that is no success; its message is one line for the user. */
export class Problem extends Error {}

/** Sends a request; returns the answer as JSON, or as it is for other kinds. */
export async function ask(method, path, { body, headers = {}, again = false } = {}) {
  const options = { method, headers: { "X-Dip-Jax-Studio": "1", ...headers }, cache: "no-store" };
  if (body instanceof Blob) options.body = body;
  else if (body !== undefined) options.body = JSON.stringify(body);
  let answer;
  try {
    answer = await fetch(path, options);
  } catch {
    throw new Problem("The studio does not answer. Is its command still running?");
  }
  if (answer.status === 401 && path !== "/api/session") {
    if (again) throw new Problem("This browser keeps no cookies for the page; allow them for this address.");
    await ask("POST", "/api/session");
    return ask(method, path, { body, headers, again: true });
  }
  const json = (answer.headers.get("content-type") || "").startsWith("application/json");
  if (!answer.ok) {
    const told = json ? await answer.json() : {};
    throw new Problem(told.problem || `The studio answered ${answer.status}.`);
  }
  return json ? answer.json() : answer;
}

/** Shows a problem in one line, or takes it away. */
export function complain(problem) {
  const line = find("problem");
  const text = problem ? problem.message || String(problem) : "";
  line.textContent = text && text[0].toUpperCase() + text.slice(1);
  line.hidden = !text;
  if (text) line.scrollIntoView({ block: "nearest" });
}

/** Says something to screen readers. */
export function say(text) {
  find("said").textContent = text;
}

/** Runs what a button does; its problem is shown. */
export async function attempt(action) {
  try {
    complain(null);
    return await action();
  } catch (problem) {
    if (!(problem instanceof Problem)) console.error(problem);
    complain(problem);
    return undefined;
  }
}

/** Returns seconds in words, as precise as an estimate is. */
export function inWords(seconds) {
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}

/** Returns an element with text and attributes. */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}
