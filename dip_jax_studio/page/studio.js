// The page: a picture comes in, is marked, and becomes a job.

import { ask, attempt, complain, find, Problem, say } from "./ask.js";
import { buildForm, chooseKind, kindOf, readForm } from "./form.js";
import { refresh } from "./jobs.js";
import { mask, theStage } from "./stage.js";
import { selected, show, whenClosed } from "./viewer.js";

const MEMORY = "dip-jax-studio-picture", REST = 600; // milliseconds after a stroke
const drop = find("drop");
let picture = null, limit = Infinity, saving = null, dirty = false, pause = 0;

/** Sends a picture to the server and opens it. */
async function addPicture(file) {
  if (!file) return;
  if (file.size > limit) throw new Problem(`The file is larger than ${limit / 1e6} MB; scale it down or crop it first.`);
  if (!file.size) throw new Problem("The file is empty; save or download it again.");
  drop.classList.add("busy");
  find("facts").textContent = `Reading ${file.name}…`;
  try {
    const headers = { "X-Name": encodeURIComponent(file.name) };
    await openPicture(await ask("POST", "/api/pictures", { body: file, headers }));
  } finally {
    drop.classList.remove("busy");
    tellFacts();
  }
  if (picture.erased) {
    if (!kindOf().mask) chooseKind("scratch");
    await markFrom("from=alpha");
  }
}

async function openPicture(told) {
  if (selected()) await show(null);
  find("editor").hidden = false;
  drop.classList.remove("empty");
  document.querySelector("label[for=file]").textContent = "Choose another picture…";
  await theStage.open(told);
  picture = told;
  dirty = false;
  sessionStorage.setItem(MEMORY, told.id);
  localStorage.setItem(MEMORY, told.id);
  if (told.painted) await loadPaint(await ask("GET", `/api/pictures/${told.id}/mask`));
  find("fromalpha").disabled = !told.erased;
  find("start").disabled = find("preview").disabled = false;
  find("painted").textContent = "";
  tellFacts();
  tellPart(theStage.chosenPart());
  say(`${told.name}, ${told.width} by ${told.height} pixels, is open`);
}

function tellFacts() {
  if (!picture) { find("facts").textContent = ""; return; }
  const { name, width, height, channels, depth, format, remarks } = picture;
  const colours = { 1: "grey", 3: "RGB" }[channels] || `${channels} channels`;
  const bits = { uint8: "8 bits", uint16: "16 bits" }[depth] || depth;
  find("facts").textContent = [`${name}: ${width} × ${height}, ${colours}, ${bits}, ${format}`, ...remarks].join(" · ");
}

// The mask goes to the server a moment after each stroke, so that nothing is lost with the page.

async function loadPaint(answer) {
  const image = await createImageBitmap(await answer.blob());
  const { onchange } = mask;
  mask.onchange = () => {};
  mask.add(image);
  mask.onchange = onchange;
}

async function saveMask(used) {
  clearTimeout(pause);
  while (saving) await saving;
  dirty = false;
  saving = (async () => {
    const path = `/api/pictures/${picture.id}/mask?used=${used ? 1 : 0}`;
    const { share } = await ask("PUT", path, { body: await mask.blob() });
    const percent = share ? Math.max(0.01, 100 * share) : 0;
    find("painted").textContent = share ? `${percent.toPrecision(2)} % of the picture is painted` : "";
  })();
  try {
    await saving;
  } catch (problem) {
    dirty = true;
    throw problem;
  } finally {
    saving = null;
  }
}

mask.onchange = () => {
  dirty = true;
  clearTimeout(pause);
  pause = setTimeout(() => attempt(() => saveMask(false)), REST);
};

async function markFrom(query, body, name) {
  const headers = name ? { "X-Name": encodeURIComponent(name) } : {};
  const answer = await ask("POST", `/api/pictures/${picture.id}/marks?${query}`, { body, headers });
  mask.add(await createImageBitmap(await answer.blob()));
  await saveMask(false);
  const remarks = decodeURIComponent(answer.headers.get("x-remarks") || "");
  find("painted").textContent = remarks;
  say(remarks);
}

// Jobs

async function start(part) {
  if (!picture) throw new Problem("Choose a picture first.");
  const form = { picture: picture.id, ...readForm() };
  if (part) form.box = theStage.chosenPart();
  if (kindOf().mask) await saveMask(!picture.holes);
  const job = await ask("POST", "/api/jobs", { body: form });
  await show(job.id, true);
  await refresh();
}

function tellPart(part) {
  ["boxx", "boxy", "boxw", "boxh"].forEach((id, at) => { find(id).value = part[at]; });
}

whenClosed(() => {
  find("editor").hidden = !picture;
  theStage.redraw();
});
theStage.onpart = tellPart;
theStage.onpick = (color) => {
  find("color").value = color;
  say(`Colour ${color}`);
};

find("file").addEventListener("change", (event) => {
  const [file] = event.target.files;
  event.target.value = ""; // so that the same file can be chosen again
  attempt(() => addPicture(file));
});
for (const type of ["dragover", "dragleave", "drop"]) {
  document.addEventListener(type, (event) => {
    event.preventDefault();
    drop.classList.toggle("over", type === "dragover");
    if (type === "drop" && event.dataTransfer.files.length) attempt(() => addPicture(event.dataTransfer.files[0]));
  });
}
document.addEventListener("paste", (event) => {
  if (event.clipboardData.files.length) attempt(() => addPicture(event.clipboardData.files[0]));
});
find("maskfile").addEventListener("change", (event) => {
  const [file] = event.target.files;
  event.target.value = ""; // so that the same file can be chosen again
  if (file) attempt(() => markFrom(`from=file&invert=${find("invert").checked ? 1 : 0}`, file, file.name));
});
find("fromalpha").addEventListener("click", () => attempt(() => markFrom("from=alpha")));
find("fromcolor").addEventListener("click", () => attempt(() => {
  const query = new URLSearchParams({ from: "color", color: find("color").value, tolerance: find("tolerance").value });
  return markFrom(query);
}));
for (const id of ["boxx", "boxy", "boxw", "boxh"]) {
  find(id).addEventListener("change", () => {
    if (picture) theStage.setPart(["boxx", "boxy", "boxw", "boxh"].map((each) => Number(find(each).value) || 0));
  });
}
find("form").addEventListener("submit", (event) => {
  event.preventDefault();
  attempt(() => start(false));
});
find("preview").addEventListener("click", () => attempt(() => start(true)));
addEventListener("beforeunload", (event) => { if (dirty) event.preventDefault(); });

async function begin() {
  drop.classList.add("empty");
  await ask("POST", "/api/session");
  const about = await ask("GET", "/api/about");
  limit = about.most_bytes;
  buildForm(about.kinds);
  refresh();
  const before = sessionStorage.getItem(MEMORY) || localStorage.getItem(MEMORY);
  if (before) {
    try {
      await openPicture(await ask("GET", `/api/pictures/${before}`));
    } catch (problem) {
      if (!(problem instanceof Problem)) console.error(problem);
      sessionStorage.removeItem(MEMORY); // it was removed meanwhile
      localStorage.removeItem(MEMORY);
    }
  }
  if (location.hash.length > 1) await show(location.hash.slice(1));
  document.documentElement.dataset.ready = "1";
}

begin().catch(complain);
