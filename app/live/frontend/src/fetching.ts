// Fetching over a connection that may hang.

// Without a byte for so long (milliseconds), a transfer counts as failed. A slow one may take its time.
export const MOST_SILENCE = 30_000;

// Fetches `url`; fails if nothing arrives for `MOST_SILENCE`.
export async function fetchAlive(url: URL | string, cancelled?: AbortSignal): Promise<Response> {
  const control = new AbortController();
  cancelled?.addEventListener("abort", () => control.abort());
  let timer: ReturnType<typeof setTimeout> | undefined;
  const alive = (): void => {
    clearTimeout(timer);
    timer = setTimeout(() => control.abort(), MOST_SILENCE);
  };
  alive();
  const answer = await fetch(url, { signal: control.signal }).finally(() => clearTimeout(timer));
  if (!answer.body || !answer.ok) return answer;
  alive();
  const watched = new TransformStream<Uint8Array, Uint8Array>({
    transform(bytes, out) {
      alive();
      out.enqueue(bytes);
    },
    flush: () => clearTimeout(timer),
  });
  return new Response(answer.body.pipeThrough(watched), { status: answer.status, headers: answer.headers });
}

// Fails if the promise takes longer than `time` milliseconds.
export function within<T>(time: number, promise: Promise<T>): Promise<T> {
  return Promise.race([promise, new Promise<never>((_, reject) => setTimeout(() => reject(new Error("no answer")), time))]);
}
