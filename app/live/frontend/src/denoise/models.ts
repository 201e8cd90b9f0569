// The graphs that a view needs, loaded when it first needs them and let go when many others came after.
import { loadModel, type Model } from "../model/engine";

const MOST = 6;

interface Held {
  coming: Promise<Model>;
  here: Model | undefined;
}

export class Models {
  private readonly held = new Map<string, Held>(); // in the order of their last use

  constructor(private readonly base: string) {}

  get(url: string): Model | undefined {
    const found = this.held.get(url);
    if (found) {
      this.held.delete(url);
      this.held.set(url, found);
    }
    return found?.here;
  }

  load(url: string): Promise<Model> {
    const known = this.held.get(url);
    if (known) return known.coming;
    const held: Held = { coming: loadModel(url, this.base), here: undefined };
    this.held.set(url, held);
    held.coming.then(
      (model) => {
        held.here = model;
        if (this.held.get(url) !== held) model.release();
        this.forget(MOST);
      },
      () => this.held.delete(url), // a later wish tries again
    );
    return held.coming;
  }

  release(): void {
    this.forget(0);
  }

  private forget(most: number): void {
    for (const [url, { here }] of [...this.held].slice(0, Math.max(0, this.held.size - most))) {
      this.held.delete(url);
      here?.release();
    }
  }
}
