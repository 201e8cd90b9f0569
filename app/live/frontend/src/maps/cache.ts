// A cache of arrays by address.
import { fetchAlive } from "../fetching";

// The address with the app's base path; data URIs stay.
export function resolved(address: string, base: string): string {
  return address.startsWith("data:") || !base || address.startsWith(`${base}/`) ? address : base + address;
}

// Fetches an address; decodes data URIs itself, since a page opened from a file may not fetch.
export async function bytes(address: string): Promise<ArrayBuffer> {
  if (address.startsWith("data:")) {
    const text = atob(address.slice(address.indexOf(",") + 1));
    return Uint8Array.from(text, (letter) => letter.charCodeAt(0)).buffer;
  }
  const answer = await fetchAlive(address);
  if (!answer.ok) throw new Error(`${address}: ${answer.status}`);
  return answer.arrayBuffer();
}

export class ArrayCache {
  private readonly held = new Map<string, Promise<ArrayBuffer>>();

  get(address: string, base: string): Promise<ArrayBuffer> {
    const found = this.held.get(address) ?? bytes(resolved(address, base));
    this.held.set(address, found);
    found.catch(() => this.held.delete(address)); // the next redraw tries again
    return found;
  }

  // Forgets all other addresses.
  keep(addresses: Set<string>): void {
    for (const address of [...this.held.keys()]) if (!addresses.has(address)) this.held.delete(address);
  }
}
