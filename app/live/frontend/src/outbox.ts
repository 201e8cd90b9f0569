// Repeats the last message to the server until it says that it was received: one sent while the connection is down is lost.
const FIRST_WAIT = 4_000; // milliseconds; a server that works answers sooner
const LONGEST_WAIT = 16_000;

export class Outbox {
  private timer: ReturnType<typeof setTimeout> | undefined;
  private last = 0; // number of the message that waits

  // Sends message number `count` by calling `send`, in place of an earlier one that waits.
  put(count: number, send: () => void): void {
    this.last = count;
    send();
    this.repeat(send, FIRST_WAIT);
  }

  // To be called with the number of the last message that the server has received.
  received(count: number): void {
    if (count >= this.last) this.clear();
  }

  clear(): void {
    clearTimeout(this.timer);
  }

  private repeat(send: () => void, wait: number): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      send();
      this.repeat(send, Math.min(2 * wait, LONGEST_WAIT));
    }, wait);
  }
}
