// A cache of the loaded graphs; the least recently used are released.
import { loadModel, type Model } from "../model/engine";

const MAX_MODELS = 6;

interface Entry {
  coming: Promise<Model>;
  here: Model | undefined;
}

export class Models {
  private readonly models = new Map<string, Entry>(); // the least recently used first

  constructor(private readonly base: string) {}

  get(url: string): Model | undefined {
    const found = this.models.get(url);
    if (found) {
      this.models.delete(url);
      this.models.set(url, found);
    }
    return found?.here;
  }

  load(url: string): Promise<Model> {
    const known = this.models.get(url);
    if (known) return known.coming;
    const entry: Entry = { coming: loadModel(url, this.base), here: undefined };
    this.models.set(url, entry);
    entry.coming.then(
      (model) => {
        entry.here = model;
        if (this.models.get(url) !== entry) model.release();
        this.forget(MAX_MODELS);
      },
      () => this.models.delete(url), // the next call tries again
    );
    return entry.coming;
  }

  release(): void {
    this.forget(0);
  }

  private forget(most: number): void {
    for (const [url, { here }] of [...this.models].slice(0, Math.max(0, this.models.size - most))) {
      this.models.delete(url);
      here?.release();
    }
  }
}
