// Arrays by their address, each fetched once as long as it is wanted.

export function located(address: string, base: string): string {
  return address.startsWith("data:") || !base || address.startsWith(`${base}/`) ? address : base + address;
}

// A page from a file may not fetch, but its addresses hold what they name.
export async function bytes(address: string): Promise<ArrayBuffer> {
  if (address.startsWith("data:")) {
    const text = atob(address.slice(address.indexOf(",") + 1));
    return Uint8Array.from(text, (letter) => letter.charCodeAt(0)).buffer;
  }
  const answer = await fetch(address);
  if (!answer.ok) throw new Error(`${address}: ${answer.status}`);
  return answer.arrayBuffer();
}

export class Shelf {
  private readonly held = new Map<string, Promise<ArrayBuffer>>();

  get(address: string, base: string): Promise<ArrayBuffer> {
    const found = this.held.get(address) ?? bytes(located(address, base));
    this.held.set(address, found);
    found.catch(() => this.held.delete(address)); // the network may be back at the next redraw
    return found;
  }

  keep(addresses: Set<string>): void {
    for (const address of [...this.held.keys()]) if (!addresses.has(address)) this.held.delete(address);
  }
}
