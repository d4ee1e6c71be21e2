// What is wrong with the picture, and the settings: a form built from the server's table.

import { find, make } from "./ask.js";
import { theStage } from "./stage.js";

const FIRST = ["factor", "keep_known", "blur", "size", "angle", "kernel_size", "sigma"]; // settings shown at once
const MEMORY = "dip-jax-studio-form";

let kinds = [];
let kept = {}; // values by kind, for a page that is reloaded

/** Builds the choice of kinds. */
export function buildForm(table) {
  kinds = table;
  try {
    kept = JSON.parse(localStorage.getItem(MEMORY)) || {};
  } catch {
    kept = {};
  }
  const chosen = kinds.some((kind) => kind.name === kept.kind) ? kept.kind : kinds[0].name;
  find("kinds").replaceChildren(...kinds.map((kind) => {
    const input = make("input", { type: "radio", name: "kind", value: kind.name, form: "form" });
    input.checked = kind.name === chosen;
    input.addEventListener("change", () => chooseKind(kind.name));
    return make("label", {}, input, kind.label);
  }));
  chooseKind(chosen);
  find("form").addEventListener("input", remember);
}

/** Returns the kind of damage that is chosen, or of that name. */
export function kindOf(name = document.querySelector("[name=kind]:checked").value) {
  return kinds.find((kind) => kind.name === name) || { label: name, settings: [] };
}

/** Chooses a kind and shows its settings. */
export function chooseKind(name) {
  const kind = kindOf(name);
  document.querySelector(`[name=kind][value=${name}]`).checked = true;
  find("kindhelp").textContent = kind.help;
  const values = (kept.values || {})[name] || {};
  find("preset").replaceChildren(...kind.presets.map(([value, label]) => make("option", { value }, label)));
  if (kind.presets.some(([value]) => value === values.preset)) find("preset").value = values.preset;
  const rows = kind.settings.map((setting) => [setting, makeRow(setting, values[setting.name])]);
  find("first").replaceChildren(...rows.filter(([each]) => FIRST.includes(each.name)).map(([, row]) => row));
  find("settings").replaceChildren(...rows.filter(([each]) => !FIRST.includes(each.name)).map(([, row]) => row));
  theStage.usePaint(kind.mask);
  remember();
}

function makeRow(setting, value) {
  const id = `setting-${setting.name}`;
  const attributes = { id, name: setting.name, "aria-describedby": `${id}-help` };
  let input;
  if (setting.choices.length) {
    input = make("select", attributes, ...setting.choices.map(([name, label]) => make("option", { value: name }, label)));
  } else {
    const { least, most, step } = setting;
    input = make("input", { ...attributes, type: "number", min: least, max: most, step });
  }
  input.value = value ?? setting.default;
  if (setting.choices.length && input.selectedIndex < 0) input.value = setting.default;
  return make("div", { class: "row" }, make("label", { for: id }, setting.label), input,
    make("p", { class: "hint", id: `${id}-help` }, setting.help));
}

/** Returns the form as the server reads it. */
export function readForm() {
  const kind = kindOf();
  const settings = {};
  for (const { name } of kind.settings) settings[name] = find(`setting-${name}`).value;
  return { damage: kind.name, preset: find("preset").value, settings };
}

function remember() {
  const { damage, preset, settings } = readForm();
  kept = { kind: damage, values: { ...kept.values, [damage]: { preset, ...settings } } };
  localStorage.setItem(MEMORY, JSON.stringify(kept));
}
