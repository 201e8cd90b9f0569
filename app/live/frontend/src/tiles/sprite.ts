// One image that holds several pictures, cut onto canvases. Canvases, because the browser keeps the decoded pixels of an <img>
// in memory long after it has left the page.

const drawn = new WeakMap<object, string>(); // owner -> what its canvases show

// Decodes the image at `uri` and passes it to `cut`, which draws `count` pictures of it; does nothing if `owner` shows them
// already, and drops the image if another was asked for while it was decoded. True if `cut` was called.
export async function drawSprite(owner: object, uri: string, count: number, cut: (sprite: ImageBitmap) => void): Promise<boolean> {
  const wanted = `${count} ${uri}`;
  if (drawn.get(owner) === wanted) return false;
  drawn.set(owner, wanted);
  const sprite = await createImageBitmap(await (await fetch(uri)).blob());
  const latest = drawn.get(owner) === wanted;
  if (latest) cut(sprite);
  sprite.close();
  return latest;
}
