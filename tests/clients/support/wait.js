// Waiting that ends: for something that happens, never for time to pass.

/** Something did not happen in time. */
export class Late extends Error {}

/** What the promise comes to, or a failure that says what did not happen within so many seconds. */
export async function within(seconds, what, promise) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Late(`waited ${seconds} s for ${what}`)), seconds * 1000);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** A list that others add to, and on which one can wait. */
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

  /** Nothing more comes: whoever waits for more is told so. */
  fail(error) {
    this.#failure ??= error;
    this.#wake();
  }

  get all() {
    return [...this.#items];
  }

  /** The first `count` of them, once they are there. */
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
      if (error instanceof Late) error.message += `, there are ${this.#items.length}`;
      throw error;
    }
  }

  #wake() {
    this.#waiting.forEach((wake) => wake());
  }
}
