// Waits for events, with a time limit; none waits for a fixed time.

/** A wait exceeded its time limit. */
export class TimeoutError extends Error {}

/** The result of the promise. Rejects after the time limit with a message that names `what`. */
export async function within(seconds, what, promise) {
  let timer;
  const late = new Promise((_, reject) => {
    const message = `timed out after ${seconds} s waiting for ${what}`;
    timer = setTimeout(() => reject(new TimeoutError(message)), seconds * 1000);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** A list of arrivals that can be awaited. */
export class Arrivals {
  #items = [];
  #waiting = [];
  #failure;

  constructor(what) {
    this.what = what;
  }

  add(item) {
    this.#items.push(item);
    this.#wake();
  }

  /** Rejects all waits for further items. */
  fail(error) {
    this.#failure ??= error;
    this.#wake();
  }

  get all() {
    return [...this.#items];
  }

  /** Resolves with the first `count` items once they have arrived. */
  async first(count, seconds = 20) {
    const enough = new Promise((resolve, reject) => {
      this.#waiting.push(() => {
        if (this.#items.length >= count) resolve(this.#items.slice(0, count));
        else if (this.#failure) reject(this.#failure);
      });
      this.#wake();
    });
    try {
      return await within(seconds, `${count} ${this.what}`, enough);
    } catch (error) {
      if (error instanceof TimeoutError) error.message += `; got ${this.#items.length}`;
      throw error;
    }
  }

  #wake() {
    this.#waiting.forEach((wake) => wake());
  }
}
