// The clock of a data-plane loop: milliseconds since start as int32, from a monotonic microsecond counter that runs over.
//
// performance.now() would do, but hands out a heap number a reading: read in every empty look while the loop spins, that is
// garbage enough for collections of 100 us and more between two frames.

export class Clock {
  /** Milliseconds since the clock was made, as of the last read(). */
  now = 0;
  private readonly microseconds: () => number;
  /** Reading that `now` stands for. */
  private mark: number;

  /** `microseconds`: monotonic, int32, modulo 2^32; it must be read at least every 35 minutes. */
  constructor(microseconds: () => number) {
    this.microseconds = microseconds;
    this.mark = microseconds();
  }

  /** Reads the time; returns `now`. */
  read(): number {
    const elapsed = (this.microseconds() - this.mark) | 0;
    if (elapsed < 1000) return this.now;
    const ms = (elapsed / 1000) | 0;
    this.mark = (this.mark + ms * 1000) | 0;
    this.now = (this.now + ms) | 0;
    return this.now;
  }
}
