// Paints on the sheet by pointer, pen, finger or keyboard.
import { corner, hit, type Layout, type Spot } from "./sheet";
import { between, type Tool } from "./strokes";

export interface Actions {
  sheet(): Layout | undefined; // undefined while nothing can be painted
  tool(): Tool | undefined;
  size(): number;
  begin(image: number): void;
  touch(spot: Spot, stamp: number): void;
  undo(): void;
  look(image: number | undefined): void; // the pointer or the cursor moved onto that image
}

const SHIFT_STEP = 4; // pixels per arrow key with Shift

export class Painter {
  private stroke: Spot | undefined;
  private cursor: Spot | undefined;

  constructor(
    private readonly canvas: HTMLCanvasElement,
    private readonly ring: HTMLElement,
    private readonly actions: Actions,
  ) {
    canvas.onpointerdown = (event) => this.down(event);
    canvas.onpointermove = (event) => this.move(event);
    canvas.onpointerup = canvas.onpointercancel = () => (this.stroke = undefined);
    canvas.onpointerleave = canvas.onblur = () => this.moveCursor(undefined);
    canvas.onkeydown = (event) => this.key(event);
    canvas.onfocus = () => canvas.matches(":focus-visible") && this.moveCursor(this.cursor ?? this.middle(0, 1));
  }

  private spot(event: PointerEvent): Spot | undefined {
    const sheet = this.actions.sheet();
    if (!sheet) return undefined;
    const box = this.canvas.getBoundingClientRect();
    return hit(sheet, ((event.clientX - box.left) / box.width) * sheet.across, ((event.clientY - box.top) / box.height) * sheet.down);
  }

  private middle(image: number, row: number): Spot | undefined {
    const sheet = this.actions.sheet();
    return sheet && { image, row, x: Math.floor(sheet.width / 2) + 0.5, y: Math.floor(sheet.height / 2) + 0.5 };
  }

  private down(event: PointerEvent): void {
    const spot = this.spot(event);
    if (!spot || !this.actions.tool() || event.button !== 0) return;
    event.preventDefault();
    this.canvas.focus({ preventScroll: true });
    this.canvas.setPointerCapture(event.pointerId);
    this.stroke = spot;
    this.actions.begin(spot.image);
    this.actions.touch(spot, event.timeStamp);
    this.moveCursor(spot);
  }

  private move(event: PointerEvent): void {
    if (!this.stroke) {
      this.moveCursor(this.spot(event));
      return;
    }
    for (const each of event.getCoalescedEvents?.() ?? [event]) this.follow(each);
  }

  // Continues the stroke in the image where it began, even outside of it.
  private follow(event: PointerEvent): void {
    const [sheet, stroke] = [this.actions.sheet(), this.stroke];
    if (!sheet || !stroke) return;
    const box = this.canvas.getBoundingClientRect();
    const at = corner(sheet, stroke.image, stroke.row);
    const to = {
      x: ((event.clientX - box.left) / box.width) * sheet.across - at.x,
      y: ((event.clientY - box.top) / box.height) * sheet.down - at.y,
    };
    for (const point of between(stroke, to)) this.actions.touch({ ...stroke, ...point }, event.timeStamp);
    this.stroke = { ...stroke, ...to };
    this.moveCursor(this.stroke);
  }

  private key(event: KeyboardEvent): void {
    const sheet = this.actions.sheet();
    if (!sheet || !this.actions.tool()) return;
    if ((event.ctrlKey || event.metaKey) && event.key === "z") this.actions.undo();
    else if (event.key === " " || event.key === "Enter") this.paintAtCursor(event);
    else if (!this.step(event, sheet)) return;
    event.preventDefault();
  }

  private paintAtCursor(event: KeyboardEvent): void {
    const spot = this.cursor ?? this.middle(0, 1);
    if (!spot) return;
    if (!event.repeat) this.actions.begin(spot.image);
    this.actions.touch(spot, event.timeStamp);
    this.moveCursor(spot);
  }

  private step(event: KeyboardEvent, sheet: Layout): boolean {
    const spot = this.cursor ?? this.middle(0, 1);
    if (!spot) return false;
    const by = event.shiftKey ? SHIFT_STEP : 1;
    const image = spot.image + ({ PageUp: -1, PageDown: 1 }[event.key] ?? 0);
    const x = spot.x + ({ ArrowLeft: -by, ArrowRight: by }[event.key] ?? 0);
    const y = spot.y + ({ ArrowUp: -by, ArrowDown: by }[event.key] ?? 0);
    if (image === spot.image && x === spot.x && y === spot.y) return false;
    this.moveCursor({
      ...spot,
      image: Math.min(sheet.images - 1, Math.max(0, image)),
      x: Math.min(sheet.width - 0.5, Math.max(0.5, x)),
      y: Math.min(sheet.height - 0.5, Math.max(0.5, y)),
    });
    return true;
  }

  // Shows the brush at that spot, in the size in which it paints.
  moveCursor(spot: Spot | undefined): void {
    const sheet = this.actions.sheet();
    this.cursor = spot;
    this.ring.hidden = !spot || !sheet || !this.actions.tool();
    this.actions.look(spot?.image);
    if (!spot || !sheet) return;
    const at = corner(sheet, spot.image, spot.row);
    const style = { left: (at.x + spot.x) / sheet.across, top: (at.y + spot.y) / sheet.down, width: this.actions.size() / sheet.across };
    for (const [name, share] of Object.entries(style)) this.ring.style.setProperty(name, `${100 * share}%`);
  }
}
