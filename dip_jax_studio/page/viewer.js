// A job: the picture as it develops, before and after, the curve, the result to be saved.

import { ask, attempt, complain, find, inWords, make, say } from "./ask.js";
import { kindOf } from "./form.js";

const panes = find("panes"), compare = find("compare");
// What was found about the noise; see --noise of the command.
const VERDICTS = {
  none: "No noise was found, so the picture is returned unchanged. If you see grain, choose another kind of noise under More settings.",
  white: "The noise is white.",
  "signal-dependent": "The noise depends on the brightness.",
  correlated: "The noise is correlated between pixels or colours, as in photographs and JPEG files.",
  assumed: "Texture may hide the noise; that of a camera was assumed.",
  impulses: "The noise is single wrong pixels; they were filled.",
};
let current = null; // the job's identity
let job = null;
let onclose = () => {}, onask = () => {};

/** What can be done with a job in each state, and the button's words. */
export const ACTIONS = {
  running: [["pause", "Pause"], ["stop", "Stop here"]],
  waiting: [["stop", "Hold"]],
  paused: [["go_on", "Go on"]],
  stopped: [["go_on", "Go on"]],
  failed: [["go_on", "Try again"]],
  done: [],
};

/** Says where a job stands. */
export function describe(job) {
  const left = job.seconds_left == null ? "" : `, ${inWords(job.seconds_left)} left at most`;
  if (job.state === "waiting") return job.ahead ? `waiting, ${job.ahead} before it` : "about to start";
  if (job.state === "running") {
    if (job.wanted) return job.wanted === "paused" ? "pausing: saving what there is" : "stopping: saving what there is";
    if (!job.step) return `preparing for ${inWords(job.seconds)}: the first step takes up to a minute, more on a busy computer`;
    return `${Math.floor(job.percent)} %${left}`;
  }
  const after = job.seconds ? ` after ${inWords(job.seconds)}` : "";
  return { done: `done${after}`, paused: `paused at ${Math.floor(job.percent)} %`,
    stopped: `stopped at ${Math.floor(job.percent)} %`, failed: "failed" }[job.state];
}

/** Returns the identity of the job that is shown; null if the editor is. */
export const selected = () => current;

/** Sets what is done when the viewer is closed. */
export function whenClosed(action) {
  onclose = action;
}

/** Sets what a button such as Pause does. */
export function whenAsked(action) {
  onask = action;
}

/** Shows a job, or the editor for null. */
export async function show(identity, focus = false) {
  current = identity;
  job = null;
  find("viewer").hidden = !identity;
  find("drop").classList.toggle("small", Boolean(identity));
  find("form").hidden = find("damage").hidden = Boolean(identity);
  for (const item of find("queue").children) item.classList.toggle("selected", item.dataset.job === identity);
  if (!identity) {
    history.replaceState(null, "", location.pathname);
    onclose();
    return;
  }
  history.replaceState(null, "", `#${identity}`);
  find("editor").hidden = true;
  for (const id of ["before", "after", "uncertainty"]) { find(id).removeAttribute("src"); delete find(id).dataset.from; }
  find("split").value = 0;
  find("strength").value = 100;
  find("showuncertainty").checked = false;
  find("command").textContent = find("remarks").textContent = "";
  find("actions").dataset.words = "";
  find("actions").replaceChildren();
  await attempt(update);
  if (focus) find("title").focus();
}

/** Brings what is shown up to date. */
export async function update() {
  const identity = current;
  let told;
  try {
    told = await ask("GET", `/api/jobs/${identity}`);
  } catch (problem) {
    if (current === identity) { await show(null); complain(problem); }
    return;
  }
  if (current !== identity) return;
  const first = job === null, before = job && job.state;
  job = told;
  find("title").textContent = `${job.name}${job.preview ? ", a part" : ""}`;
  setText("jobstate", `${kindOf(job.damage).label}: ${describe(job)}${detail()}`);
  find("jobproblem").textContent = job.problem;
  find("jobproblem").hidden = !job.problem;
  showActions();
  load("before", "before", job.created);
  const seen = job.after && job.state !== "running" ? ["after", job.after] : ["now", job.now];
  if (seen[1]) load("after", ...seen);
  find("aftertag").textContent = seen[0] === "after" ? "after" : "so far";
  const finished = job.state === "done";
  if (finished && (before === "running" || first)) find("split").value = 50;
  find("strengthrow").hidden = !(job.strength && job.result);
  find("uncertaintyrow").hidden = job.most_uncertain == null;
  if (job.most_uncertain != null) {
    load("uncertainty", "uncertainty", job.after);
    find("uncertaintylabel").textContent = `where it is uncertain (orange; at most ${job.most_uncertain.toFixed(1)} of 255)`;
  }
  find("save").hidden = !job.result || job.state === "running";
  find("getmask").hidden = !job.masked;
  find("getrun").hidden = job.preview;
  find("getmask").href = `/api/jobs/${job.id}/file/mask.png`;
  find("getrun").href = `/api/jobs/${job.id}/file/run.json`;
  const options = find("format").options;
  options[0].textContent = `original format (${job.suffix.slice(1).toUpperCase()})`;
  const notes = [...job.notes];
  if (VERDICTS[job.verdict]) notes.push(VERDICTS[job.verdict]);
  if ([...find("notes").children].map((item) => item.textContent).join("\n") !== notes.join("\n")) {
    find("notes").replaceChildren(...notes.map((note) => {
      const item = document.createElement("li");
      item.textContent = note;
      return item;
    }));
  }
  drawCurve();
  link();
  draw();
}

function showActions() {
  const actions = ACTIONS[job.state] || [], bar = find("actions");
  const words = actions.map(([, each]) => each).join();
  if (bar.dataset.words !== words) {
    bar.dataset.words = words;
    const identity = job.id;
    bar.replaceChildren(...actions.map(([action, each]) =>
      make("button", { type: "button", "data-action": action, onclick: () => onask(identity, action) }, each)));
  }
  for (const button of bar.children) button.disabled = Boolean(job.wanted);
}

/** Only what changed: else a screen reader would hear the line again and again. */
function setText(id, text) {
  if (find(id).textContent !== text) find(id).textContent = text;
}

function detail() {
  if (!job.step) return "";
  const which = job.fits > 1 ? `fit ${job.fit} of ${job.fits}, ` : "";
  return job.state === "done" ? ` (${job.taken} steps)` : ` (${which}step ${job.step} of ${job.steps})`;
}

function load(id, which, version) {
  const image = find(id), from = `/api/jobs/${job.id}/picture/${which}?v=${version}`;
  if (image.dataset.from === from) return;
  image.dataset.from = from;
  if (!image.hasAttribute("src")) { image.src = from; return; }
  const next = new Image(); // shown once it is there, so that nothing flickers
  next.onload = () => { if (image.dataset.from === from) image.src = from; };
  next.src = from;
}

function draw() {
  const before = find("before"), after = find("after");
  const natural = [before, after].find((image) => image.naturalWidth);
  if (!natural) return;
  const aspect = natural.naturalWidth / natural.naturalHeight;
  const own = Math.max(before.naturalWidth, after.naturalWidth);
  const room = Math.max(50, panes.clientWidth - 2), high = innerHeight * 0.64;
  const fitted = Math.min(room, high * aspect, 8 * own);
  const wide = find("actual").checked ? own / devicePixelRatio : fitted;
  compare.style.width = `${wide}px`;
  compare.style.height = `${wide / aspect}px`;
  compare.classList.toggle("pixels", wide > 2 * own);
  const split = after.hasAttribute("src") ? Number(find("split").value) : 100;
  find("clip").style.clipPath = `inset(0 0 0 ${split}%)`;
  find("line").style.left = `${split}%`;
  find("line").hidden = split === 0 || split === 100;
  find("split").setAttribute("aria-valuetext", `${split} % before, ${100 - split} % after`);
  const strength = find("strengthrow").hidden ? 100 : Number(find("strength").value);
  after.style.opacity = strength / 100;
  find("strengthout").textContent = `${strength} %`;
  find("uncertainty").hidden = find("uncertaintyrow").hidden || !find("showuncertainty").checked;
}

function link() {
  const strength = find("strengthrow").hidden ? "100" : find("strength").value;
  const wanted = new URLSearchParams({ format: find("format").value, strength });
  if (find("strip").checked) wanted.set("strip", "1");
  find("download").href = `/api/jobs/${current}/download?${wanted}`;
  find("download").textContent = job && job.state === "done" ? "Download" : "Download the picture so far";
  setCommand(strength);
}

function setCommand(strength) {
  if (!job) return;
  const more = `${strength === "100" ? "" : ` --strength=${strength}`}${find("strip").checked ? " --strip" : ""}`;
  setText("command", job.command + more);
}

/** Saves the result as a file, and shows what its format could not keep. */
async function download() {
  const link = find("download"), answer = await ask("GET", link.href);
  const remarks = decodeURIComponent(answer.headers.get("x-remarks") || "");
  const address = URL.createObjectURL(await answer.blob());
  const name = decodeURIComponent(answer.headers.get("x-name"));
  make("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000); // it is saved by then
  find("remarks").textContent = remarks;
}

function drawCurve() {
  const points = job.curve.filter(([, loss]) => loss > 0);
  find("curvebox").hidden = points.length < 2;
  if (points.length < 2) return;
  const logs = points.map(([, loss]) => Math.log10(loss));
  const low = Math.min(...logs), high = Math.max(...logs), range = high - low || 1;
  const places = points.map(([percent], at) =>
    `${(4 * percent).toFixed(1)},${(5 + 80 * (1 - (logs[at] - low) / range)).toFixed(1)}`);
  find("curveline").setAttribute("points", places.join(" "));
  const ends = [points[0][1], points[points.length - 1][1]].map((loss) => loss.toPrecision(2));
  setText("curvetext", `Error of the fit to the picture, logarithmic: from ${ends[0]} to ${ends[1]}`);
  find("curve").setAttribute("aria-label", find("curvetext").textContent);
}

for (const id of ["before", "after"]) find(id).addEventListener("load", draw);
for (const id of ["split", "actual", "showuncertainty"]) find(id).addEventListener("input", draw);
for (const id of ["strength", "format", "strip"]) {
  find(id).addEventListener("input", () => { draw(); link(); });
}
const slide = (event) => {
  const edge = compare.getBoundingClientRect();
  const share = (event.clientX - edge.left) / edge.width;
  find("split").value = Math.round(100 * Math.min(1, Math.max(0, share)));
  draw();
};
compare.addEventListener("pointerdown", (event) => {
  if (event.button) return;
  compare.setPointerCapture(event.pointerId);
  slide(event);
});
compare.addEventListener("pointermove", (event) => { if (compare.hasPointerCapture(event.pointerId)) slide(event); });
new ResizeObserver(draw).observe(panes);
addEventListener("resize", draw);
find("download").addEventListener("click", (event) => {
  event.preventDefault();
  attempt(download);
});
find("back").addEventListener("click", () => show(null));
find("copy").addEventListener("click", () => attempt(async () => {
  await navigator.clipboard.writeText(find("command").textContent);
  say("Copied");
  find("copy").textContent = "Copied";
  setTimeout(() => { find("copy").textContent = "Copy"; }, 1500);
}));
