// The queue: what runs, waits and is done; kept up to date while the page is open.

import { ask, attempt, complain, find, make, say } from "./ask.js";
import { kindOf } from "./form.js";
import { ACTIONS, describe, selected, show, update, whenAsked } from "./viewer.js";

const SOON = 700, LATER = 4000; // milliseconds
let timer = 0, known = new Map(), failing = false;

function makeItem(job) {
  const label = `${job.name}${job.preview ? ", a part" : ""}`;
  const item = make("li", { "data-job": job.id, "data-state": job.state });
  item.classList.toggle("selected", selected() === job.id);
  item.append(
    make("button", { type: "button", class: "name", onclick: () => show(job.id, true) }, label),
    make("p", { class: "hint" }, `${kindOf(job.damage).label}: ${describe(job)}`),
  );
  if (job.state === "running") {
    item.append(make("progress", { max: 100, value: job.percent, "aria-label": `Progress of ${label}` }));
  }
  const bar = make("div", { class: "bar" });
  for (const [action, words] of ACTIONS[job.state] || []) {
    bar.append(make("button", {
      type: "button", "data-action": action, "aria-label": `${words}: ${label}`, disabled: Boolean(job.wanted),
      onclick: () => doIt(job.id, action),
    }, words));
  }
  bar.append(make("button", {
    type: "button", "data-action": "remove", "aria-label": `Remove: ${label}`, onclick: () => removeJob(job),
  }, job.state === "running" ? "Cancel" : "Remove"));
  item.append(bar);
  return item;
}

/** Pauses, stops or goes on. */
function doIt(identity, action) {
  return attempt(async () => {
    await ask("POST", `/api/jobs/${identity}/${action}`);
    await refresh();
  });
}

async function removeJob(job) {
  if (!confirm(`Remove this job and its files? (${job.name})`)) return;
  await attempt(async () => {
    await ask("DELETE", `/api/jobs/${job.id}`);
    if (selected() === job.id) show(null);
    await refresh();
    say("Removed");
  });
}

/** Asks where all jobs stand, and shows it. */
export async function refresh() {
  clearTimeout(timer);
  let pause = LATER;
  try {
    const { jobs, ready } = await ask("GET", "/api/jobs");
    if (failing) complain(null);
    failing = false;
    find("state").textContent = ready ? "Ready. Nothing leaves this computer." : "Getting ready to read pictures…";
    find("empty").hidden = jobs.length > 0;
    showItems(jobs);
    for (const job of jobs) {
      const before = known.get(job.id);
      if (before && before !== job.state && ["done", "failed", "paused", "stopped"].includes(job.state)) {
        say(`${job.name}: ${describe(job)}`);
      }
    }
    known = new Map(jobs.map((job) => [job.id, job.state]));
    if (selected()) await update();
    if (!ready || jobs.some((job) => ["running", "waiting"].includes(job.state))) pause = SOON;
  } catch (problem) {
    failing = true;
    complain(problem);
  }
  clearTimeout(timer);
  timer = setTimeout(refresh, document.hidden ? LATER : pause);
}

/** Replaces only what changed, so that the focus stays where it is. */
function showItems(jobs) {
  const list = find("queue");
  const old = new Map([...list.children].map((item) => [item.dataset.job, item]));
  jobs.forEach((job, at) => {
    const item = makeItem(job), before = old.get(job.id);
    old.delete(job.id);
    if (before && before.dataset.state === job.state && before.querySelectorAll("button:disabled").length === item.querySelectorAll("button:disabled").length) {
      before.className = item.className;
      before.querySelector("p").textContent = item.querySelector("p").textContent;
      const progress = before.querySelector("progress");
      if (progress) progress.value = job.percent;
      if (list.children[at] !== before) list.insertBefore(before, list.children[at] || null);
      return;
    }
    const focused = before && before.contains(document.activeElement);
    if (before) before.replaceWith(item);
    if (list.children[at] !== item) list.insertBefore(item, list.children[at] || null);
    if (focused) (item.querySelector("[data-action]") || item.querySelector(".name")).focus();
  });
  for (const item of old.values()) item.remove();
}

document.addEventListener("visibilitychange", () => { if (!document.hidden) refresh(); });
whenAsked(doIt);
