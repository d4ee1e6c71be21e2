// The mask: a canvas of the picture's size, painted where the picture is damaged.

const COLOR = "rgb(255, 0, 200)";
const UNDONE = 50; // strokes that can be taken back
const MOST = 2 ** 27; // bytes that they may take

export class Mask {
  constructor(canvas) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d", { willReadFrequently: true });
    this.spare = document.createElement("canvas");
    this.past = [];
    this.onchange = () => {};
  }

  reset(width, height) {
    this.canvas.width = this.spare.width = width;
    this.canvas.height = this.spare.height = height;
    this.past = [];
    this.last = null;
  }

  /** Begins a stroke of a round brush; `erase` takes paint away. */
  begin(x, y, size, erase) {
    this._keep();
    this.erase = erase;
    this.size = size;
    this.at = [x, y];
    this.area = null;
    this.to(x, y);
  }

  to(x, y) {
    const context = this.context;
    context.save();
    context.globalCompositeOperation = this.erase ? "destination-out" : "source-over";
    context.strokeStyle = context.fillStyle = COLOR;
    context.lineWidth = this.size;
    context.lineCap = "round";
    context.beginPath();
    if (x === this.at[0] && y === this.at[1]) {
      context.arc(x, y, this.size / 2, 0, 2 * Math.PI);
      context.fill();
    } else {
      context.moveTo(...this.at);
      context.lineTo(x, y);
      context.stroke();
    }
    context.restore();
    this._cover(Math.min(x, this.at[0]), Math.min(y, this.at[1]));
    this._cover(Math.max(x, this.at[0]), Math.max(y, this.at[1]));
    this.at = this.last = [x, y];
  }

  end() {
    if (!this.area) return;
    const [left, top, right, bottom] = this.area;
    this.area = null;
    this._remember(left, top, right, bottom);
    this.onchange();
  }

  get painting() {
    return Boolean(this.area);
  }

  undo() {
    const before = this.past.pop();
    if (!before) return false;
    this.context.putImageData(before.data, before.left, before.top);
    this.onchange();
    return true;
  }

  /** Grows all that is painted by a pixel on all sides. */
  grow() {
    this._whole((context) => {
      for (const dx of [-1, 0, 1]) {
        for (const dy of [-1, 0, 1]) context.drawImage(this.spare, dx, dy);
      }
    });
  }

  clear() {
    this._whole((context) => context.clearRect(0, 0, this.canvas.width, this.canvas.height));
  }

  /** Adds the paint of a picture of the same size. */
  add(image) {
    this._whole((context) => context.drawImage(image, 0, 0, this.canvas.width, this.canvas.height));
  }

  blob() {
    return new Promise((resolve) => this.canvas.toBlob(resolve, "image/png"));
  }

  _whole(change) {
    this._keep();
    change(this.context);
    this._remember(0, 0, this.canvas.width, this.canvas.height);
    this.onchange();
  }

  _keep() {
    const context = this.spare.getContext("2d", { willReadFrequently: true });
    context.globalCompositeOperation = "copy";
    context.drawImage(this.canvas, 0, 0);
  }

  _cover(x, y) {
    const reach = this.size / 2 + 2;
    const now = this.area || [Infinity, Infinity, -Infinity, -Infinity];
    this.area = [
      Math.min(now[0], x - reach), Math.min(now[1], y - reach),
      Math.max(now[2], x + reach), Math.max(now[3], y + reach),
    ];
  }

  _remember(left, top, right, bottom) {
    left = Math.max(0, Math.floor(left));
    top = Math.max(0, Math.floor(top));
    const width = Math.min(this.canvas.width, Math.ceil(right)) - left;
    const height = Math.min(this.canvas.height, Math.ceil(bottom)) - top;
    if (width <= 0 || height <= 0) return;
    const context = this.spare.getContext("2d", { willReadFrequently: true });
    this.past.push({ left, top, data: context.getImageData(left, top, width, height) });
    const bytes = () => this.past.reduce((sum, one) => sum + one.data.data.length, 0);
    while (this.past.length > UNDONE || (this.past.length > 1 && bytes() > MOST)) this.past.shift();
  }
}
