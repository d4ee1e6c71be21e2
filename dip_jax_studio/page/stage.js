// The picture in the editor: zoom, the brush's place, the part for a preview; by mouse, pen,
// finger or keys.

import { find, say } from "./ask.js";
import { Mask } from "./brush.js";

const stage = find("stage"), sheet = find("sheet"), shown = find("shown");
const cursor = find("cursor"), box = find("box"), size = find("size");
const MOST_ZOOM = 32;

export const mask = new Mask(find("mask"));

class Stage {
  constructor() {
    this.tool = "paint";
    this.paints = true;
    this.width = this.height = 0;
    this.zoom = 1;
    this.fitted = true;
    this.place = [0, 0];
    this.part = null;
    this.penDown = false;
    this.onpart = () => {};
    this.onpick = () => {};
    this._listen();
  }

  /** Shows a picture; resolves when it is there. */
  async open(picture) {
    shown.src = `/api/pictures/${picture.id}/shown`;
    shown.alt = `Your picture ${picture.name}`;
    await shown.decode();
    this.width = picture.width;
    this.height = picture.height;
    this.place = [picture.width / 2, picture.height / 2];
    this.part = null;
    this.penDown = false;
    const longest = Math.max(picture.width, picture.height);
    size.max = Math.max(20, Math.round(longest / 5));
    size.value = Math.max(2, Math.round(longest / 60));
    find("sizeout").textContent = size.value;
    mask.reset(picture.width, picture.height);
    this.fit();
  }

  fit() {
    if (!this.width) return;
    if (!stage.clientWidth) return; // it is hidden
    const high = (stage.clientWidth - 2) * this.height / this.width + 4;
    stage.style.height = `${Math.max(160, Math.min(0.66 * innerHeight, high))}px`;
    const room = [stage.clientWidth - 2, stage.clientHeight - 2];
    this._zoomTo(Math.min(room[0] / this.width, room[1] / this.height, 8));
    this.fitted = true;
  }

  /** Chooses a tool: paint, erase, part or pick. */
  choose(tool) {
    if (!this.paints && ["paint", "erase"].includes(tool)) tool = "move";
    this.tool = tool;
    for (const button of document.querySelectorAll("[data-tool]")) {
      button.setAttribute("aria-pressed", String(button.dataset.tool === tool));
    }
    stage.classList.toggle("tool", tool !== "move");
    this._draw();
  }

  /** Says whether this kind of damage is painted. */
  usePaint(paints) {
    this.paints = paints;
    find("brushes").hidden = find("marks").hidden = find("keys").hidden = !paints;
    find("mask").hidden = !paints;
    find("painted").hidden = !paints;
    this.choose(paints ? "paint" : "move");
    stage.setAttribute("aria-label", paints ? "The picture, to be painted on" : "The picture");
  }

  /** Returns the part for a preview: as chosen, or around the last stroke, or the middle. */
  chosenPart() {
    if (this.part) return this.part;
    const side = [Math.min(256, this.width), Math.min(256, this.height)];
    const [x, y] = (this.paints && mask.last) || [this.width / 2, this.height / 2];
    const begin = (at, length, all) => Math.round(Math.min(Math.max(0, at - length / 2), all - length));
    return [begin(x, side[0], this.width), begin(y, side[1], this.height), ...side];
  }

  setPart(part) {
    if (part) {
      const [left, top] = [part[0], part[1]].map((each) => Math.max(0, Math.round(each)));
      const limit = (length, from, all) => Math.max(1, Math.min(Math.round(length), all - from));
      const x = Math.min(left, this.width - 1), y = Math.min(top, this.height - 1);
      part = [x, y, limit(part[2], x, this.width), limit(part[3], y, this.height)];
    }
    this.part = part;
    this._draw();
    this.onpart(this.chosenPart());
  }

  _zoomTo(zoom) {
    const middle = [
      (stage.scrollLeft + stage.clientWidth / 2) / this.zoom,
      (stage.scrollTop + stage.clientHeight / 2) / this.zoom,
    ];
    this.zoom = Math.min(MOST_ZOOM, Math.max(0.01, zoom));
    this.fitted = false;
    sheet.style.width = `${this.width * this.zoom}px`;
    sheet.style.height = `${this.height * this.zoom}px`;
    const scale = this.zoom * devicePixelRatio;
    for (const each of [shown, find("mask")]) each.classList.toggle("pixels", scale > 2);
    stage.scrollLeft = middle[0] * this.zoom - stage.clientWidth / 2;
    stage.scrollTop = middle[1] * this.zoom - stage.clientHeight / 2;
    find("zoom").textContent = `${Math.round(100 * this.zoom)} %`;
    this._draw();
  }

  _draw() {
    const paints = ["paint", "erase"].includes(this.tool);
    const seen = paints || this.tool === "pick";
    cursor.hidden = !this.width || !seen || !(this.over || document.activeElement === stage);
    const wide = (paints ? Number(size.value) : 1) * this.zoom;
    cursor.style.width = cursor.style.height = `${wide}px`;
    cursor.style.left = `${this.place[0] * this.zoom}px`;
    cursor.style.top = `${this.place[1] * this.zoom}px`;
    cursor.classList.toggle("down", this.penDown || mask.painting);
    box.hidden = !(this.tool === "part" || find("partbox").open) || !this.width;
    const part = this.dragged || this.chosenPart();
    ["left", "top", "width", "height"].forEach((name, at) => {
      box.style[name] = `${part[at] * this.zoom}px`;
    });
  }

  redraw() {
    if (this.fitted) this.fit();
    this._draw();
  }

  _at(event) {
    const edge = sheet.getBoundingClientRect();
    return [(event.clientX - edge.left) / this.zoom, (event.clientY - edge.top) / this.zoom];
  }

  _listen() {
    let from = null;
    stage.addEventListener("pointerdown", (event) => {
      if (event.button || !this.width || event.target === stage) return;
      this.place = this._at(event);
      if (["paint", "erase"].includes(this.tool)) {
        mask.begin(...this.place, Number(size.value), this.tool === "erase");
      } else if (this.tool === "part") {
        from = this.place;
      } else if (this.tool === "pick") {
        this.onpick(this._colorAt(this.place));
        return;
      } else return;
      event.preventDefault();
      stage.focus({ preventScroll: true });
      stage.setPointerCapture(event.pointerId);
      this._draw();
    });
    stage.addEventListener("pointermove", (event) => {
      this.over = true;
      const places = mask.painting && event.getCoalescedEvents ? event.getCoalescedEvents() : [event];
      for (const each of places.length ? places : [event]) {
        this.place = this._at(each);
        if (mask.painting && !this.penDown && !this.spaceDown) mask.to(...this.place);
      }
      if (from) {
        const to = this.place;
        this.dragged = [
          Math.max(0, Math.min(from[0], to[0])), Math.max(0, Math.min(from[1], to[1])),
          Math.abs(to[0] - from[0]), Math.abs(to[1] - from[1]),
        ];
      }
      this._draw();
    });
    const up = () => {
      if (!this.penDown && !this.spaceDown) mask.end();
      if (from && this.dragged && Math.min(this.dragged[2], this.dragged[3]) >= 8) {
        this.setPart(this.dragged);
        say(`Part for the preview: ${this.part[2]} by ${this.part[3]} pixels`);
      }
      from = this.dragged = null;
      this._draw();
    };
    stage.addEventListener("pointerup", up);
    stage.addEventListener("pointercancel", up);
    stage.addEventListener("pointerleave", () => { this.over = false; this._draw(); });
    stage.addEventListener("focus", () => this._draw());
    stage.addEventListener("blur", () => { this._liftKeys(); this._draw(); });
    stage.addEventListener("keydown", (event) => this._key(event));
    stage.addEventListener("keyup", (event) => {
      if (event.key === " ") this._liftSpace();
    });
    size.addEventListener("input", () => this._sized());
    find("smaller").addEventListener("click", () => this._zoomTo(this.zoom / 1.5));
    find("larger").addEventListener("click", () => this._zoomTo(this.zoom * 1.5));
    find("fit").addEventListener("click", () => this.fit());
    find("undo").addEventListener("click", () => this._undo());
    find("grow").addEventListener("click", () => this._grow());
    find("clear").addEventListener("click", () => { mask.clear(); say("Nothing is painted now"); });
    find("partbox").addEventListener("toggle", () => this._draw());
    for (const button of document.querySelectorAll("[data-tool]")) {
      button.addEventListener("click", () => {
        const again = this.tool === button.dataset.tool && ["part", "pick"].includes(this.tool);
        this.choose(again ? "paint" : button.dataset.tool);
      });
    }
    new ResizeObserver(() => this.redraw()).observe(stage);
  }

  _key(event) {
    if (!this.width || event.ctrlKey && event.key !== "z" || event.metaKey) return;
    const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const erase = this.tool === "erase";
    if (event.key in moves) {
      if (this.tool === "move") return; // the page scrolls
      const step = event.altKey ? 1 : Math.max(1, Number(size.value) / 2) * (event.shiftKey ? 8 : 1);
      const [dx, dy] = moves[event.key];
      this.place = [
        Math.min(this.width - 0.5, Math.max(0.5, this.place[0] + dx * step)),
        Math.min(this.height - 0.5, Math.max(0.5, this.place[1] + dy * step)),
      ];
      if (mask.painting) mask.to(...this.place);
      this._keepInView();
    } else if (event.key === " " && this.paints) {
      if (!event.repeat && !mask.painting) {
        this.spaceDown = true;
        mask.begin(...this.place, Number(size.value), erase);
        say(`${erase ? "Erased" : "Painted"} at ${Math.round(this.place[0])}, ${Math.round(this.place[1])}`);
      }
      if (this.tool === "pick") { this._liftSpace(); this.onpick(this._colorAt(this.place)); }
    } else if (event.key === "Enter" && this.paints) {
      if (this.penDown) this._liftKeys();
      else if (!mask.painting) {
        this.penDown = true;
        mask.begin(...this.place, Number(size.value), erase);
        say("Brush down");
      }
    } else if (event.key === "Escape") this._liftKeys();
    else if (event.key === "[" || event.key === "]") {
      const step = Math.max(1, Math.round(Number(size.value) / 8));
      size.value = Number(size.value) + (event.key === "]" ? step : -step);
      this._sized();
      say(`Size ${size.value}`);
    } else if (event.key === "e" && this.paints) {
      this._liftKeys();
      this.choose(erase ? "paint" : "erase");
      say(erase ? "Paint" : "Erase");
    } else if ((event.key === "u" || event.key === "z") && this.paints) this._undo();
    else if (event.key === "g" && this.paints) this._grow();
    else if (event.key === "+" || event.key === "=") this._zoomTo(this.zoom * 1.5);
    else if (event.key === "-") this._zoomTo(this.zoom / 1.5);
    else if (event.key === "0") this.fit();
    else return;
    event.preventDefault();
    this._draw();
  }

  _sized() {
    find("sizeout").textContent = size.value;
    this._draw();
  }

  _undo() {
    say(mask.undo() ? "Undone" : "There is nothing to undo");
  }

  _grow() {
    mask.grow();
    say("Grown by a pixel");
  }

  _liftSpace() {
    if (!this.spaceDown) return;
    this.spaceDown = false;
    mask.end();
    this._draw();
  }

  _liftKeys() {
    this._liftSpace();
    if (!this.penDown) return;
    this.penDown = false;
    mask.end();
    say("Brush up");
  }

  _keepInView() {
    const [x, y] = this.place.map((each) => each * this.zoom);
    const near = 40;
    if (x < stage.scrollLeft + near) stage.scrollLeft = x - near;
    if (y < stage.scrollTop + near) stage.scrollTop = y - near;
    if (x > stage.scrollLeft + stage.clientWidth - near) stage.scrollLeft = x - stage.clientWidth + near;
    if (y > stage.scrollTop + stage.clientHeight - near) stage.scrollTop = y - stage.clientHeight + near;
  }

  _colorAt([x, y]) {
    const pixel = document.createElement("canvas");
    pixel.width = pixel.height = 1;
    const context = pixel.getContext("2d");
    const scale = shown.naturalWidth / this.width;
    context.drawImage(shown, Math.floor(x * scale), Math.floor(y * scale), 1, 1, 0, 0, 1, 1);
    const values = [...context.getImageData(0, 0, 1, 1).data].slice(0, 3);
    return `#${values.map((value) => value.toString(16).padStart(2, "0")).join("")}`;
  }
}

export const theStage = new Stage();
