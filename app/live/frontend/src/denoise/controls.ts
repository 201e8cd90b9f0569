// The controls of the view: kind, level and seed. Reports each move at once, and once more when the visitor lets go.
import type { Kind, Message, View } from "./message";

const SEEDS = 100; // on the slider, which spans the hundred that the seed lies in
const WHEEL_PAUSE = 300; // milliseconds after which a wheel is at rest
const COARSE_STEPS = 10; // steps of the wheel or an arrow key with Shift

export class Controls {
  view: View = { kind: "", level: 0, seed: 0 };
  stamp = 0; // of the browser's last event that may have moved something
  private pointer = false; // is down
  private key = false; // is down
  private message: Message | undefined;
  private chosen = false; // the visitor set a level
  private pending = false;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private readonly kinds: HTMLElement;
  private readonly level: HTMLInputElement;
  private readonly levelNumber: HTMLInputElement;
  private readonly seed: HTMLInputElement;
  private readonly seedNumber: HTMLInputElement;
  private readonly dice: HTMLButtonElement;

  constructor(
    private readonly root: HTMLElement,
    private readonly hooks: { moved(stamp: number): void; settled(): void; hovered(kind: string): void },
  ) {
    const find = <T extends HTMLElement>(selector: string): T => root.querySelector<T>(selector) as T;
    this.kinds = find(".kinds");
    [this.level, this.levelNumber] = [find(".level [type=range]"), find(".level [type=number]")];
    [this.seed, this.seedNumber, this.dice] = [find(".seed [type=range]"), find(".seed [type=number]"), find(".dice")];
    this.listen();
  }

  // Whether the visitor is moving a control, which no message may disturb.
  get busy(): boolean {
    return this.pointer || this.key || this.pending;
  }

  get kind(): Kind | undefined {
    return this.message?.kinds.find(({ name }) => name === this.view.kind);
  }

  // Shows the message; with `adopt` its view replaces the visitor's.
  receive(message: Message, adopt: boolean): void {
    const [known, kinds] = [JSON.stringify(this.message?.kinds), JSON.stringify(message.kinds)];
    this.message = message;
    if (known !== kinds) this.offer(message.kinds);
    if (adopt) {
      this.view = { kind: message.kind, level: message.level, seed: message.seed };
      this.chosen = !message.own;
      this.pending = false;
    }
    this.show();
  }

  private offer(kinds: Kind[]): void {
    const legend = this.kinds.querySelector("legend");
    const labels = kinds.map(({ name, title }) => {
      const label = document.createElement("label");
      const input = Object.assign(document.createElement("input"), { type: "radio", name: "kind", value: name });
      label.append(input, Object.assign(document.createElement("span"), { textContent: title }));
      label.onpointerenter = () => this.hooks.hovered(name);
      return label;
    });
    this.kinds.replaceChildren(...(legend ? [legend] : []), ...labels);
  }

  private show(): void {
    const { kind, view, message } = this;
    if (!kind || !message) return;
    for (const input of this.kinds.querySelectorAll("input")) input.checked = input.value === view.kind;
    this.root.querySelectorAll<HTMLElement>(".level .name").forEach((name) => {
      name.textContent = kind.words;
      name.title = kind.help;
    });
    for (const input of [this.level, this.levelNumber]) input.setAttribute("aria-label", kind.words);
    const first = Math.floor(view.seed / SEEDS) * SEEDS;
    Object.assign(this.seed, { min: first, max: Math.min(first + SEEDS, message.seeds) - 1 });
    this.seedNumber.max = String(message.seeds - 1);
    for (const input of [this.seed, this.seedNumber, this.dice]) input.disabled = !kind.random;
    this.write();
  }

  private write(except?: HTMLInputElement): void {
    const level = this.view.level.toFixed(2);
    const texts: [HTMLInputElement, string][] = [
      [this.level, level], [this.levelNumber, level],
      [this.seed, String(this.view.seed)], [this.seedNumber, String(this.view.seed)],
    ];
    for (const [input, text] of texts) {
      if (input !== except && input.value !== text) input.value = text;
      if (input.type === "range") input.style.setProperty("--share", String(share(input)));
    }
  }

  // --- the visitor's moves

  private listen(): void {
    for (const name of ["pointerdown", "pointermove", "keydown", "wheel", "click"]) {
      this.root.addEventListener(name, (event) => (this.stamp = event.timeStamp), { capture: true, passive: true });
    }
    this.root.addEventListener("pointerdown", () => {
      this.pointer = true;
      const up = (): void => void (this.pointer = false);
      for (const name of ["pointerup", "pointercancel"]) window.addEventListener(name, up, { once: true, capture: true });
    });
    this.root.addEventListener("keydown", () => (this.key = true));
    for (const name of ["keyup", "focusout"]) {
      this.root.addEventListener(name, () => {
        this.key = false;
        if (this.pending) this.settle();
      });
    }
    for (const input of [this.level, this.levelNumber]) this.bind(input, (value) => this.setLevel(value));
    for (const input of [this.seed, this.seedNumber]) this.bind(input, (value) => this.setSeed(value));
    this.kinds.onchange = (event) => this.setKind((event.target as HTMLInputElement).value);
    this.level.ondblclick = () => {
      if (this.kind) this.setLevel(this.kind.level);
      this.settle();
    };
    this.dice.onclick = () => {
      this.setSeed((this.view.seed + 1) % (this.message?.seeds ?? 1));
      this.show();
      this.settle();
    };
  }

  private bind(input: HTMLInputElement, set: (value: number) => void): void {
    input.oninput = () => {
      if (input.value !== "" && input.validity.valid) set(input.valueAsNumber);
      this.write(input);
    };
    input.onchange = () => {
      this.write();
      if (input === this.seedNumber) this.show();
      // A held arrow key changes the value many times, so the move ends when the key is up.
      if (this.key && input.type === "range") this.pending = true;
      else this.settle();
    };
    if (input.type !== "range") return;
    const by = (steps: number): void => set(clamped(input.valueAsNumber + steps * Number(input.step), input));
    input.onkeydown = (event) => {
      const sign = ["ArrowRight", "ArrowUp"].includes(event.key) ? 1 : ["ArrowLeft", "ArrowDown"].includes(event.key) ? -1 : 0;
      if (sign === 0 || !event.shiftKey) return;
      event.preventDefault();
      by(COARSE_STEPS * sign);
      this.pending = true;
    };
    input.addEventListener("wheel", (event) => {
      if (!input.matches(":focus")) return; // the wheel scrolls the page
      event.preventDefault();
      by(Math.sign(-event.deltaY) * (event.shiftKey ? COARSE_STEPS : 1));
      this.settleLater();
    }, { passive: false });
  }

  private setLevel(level: number): void {
    this.chosen = true;
    this.move({ level: Math.round(100 * Math.min(1, Math.max(0, level))) / 100 });
  }

  private setSeed(seed: number): void {
    this.move({ seed: Math.round(seed) });
  }

  private setKind(name: string): void {
    const kind = this.message?.kinds.find((one) => one.name === name);
    if (!kind) return;
    this.move({ kind: name, ...(this.chosen ? {} : { level: kind.level }) });
    this.show();
    if (this.key) this.pending = true;
    else this.settle();
  }

  private move(change: Partial<View>): void {
    this.view = { ...this.view, ...change };
    this.write();
    this.hooks.moved(this.stamp);
  }

  private settleLater(): void {
    this.pending = true;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.settle(), WHEEL_PAUSE);
  }

  private settle(): void {
    this.pending = false;
    clearTimeout(this.timer);
    this.hooks.settled();
  }
}

const share = (input: HTMLInputElement): number =>
  (input.valueAsNumber - Number(input.min)) / Math.max(1e-9, Number(input.max) - Number(input.min));

const clamped = (value: number, input: HTMLInputElement): number =>
  Math.min(Number(input.max), Math.max(Number(input.min), value));
