// A fixed queue of frames: what a step hands to the next, what leaves by a port at the end of the batch.
//
// Filled and drained within one batch, so a plain array and a count, no ring.  Frames in it are in order.

export class FrameQueue {
  readonly frames: Int32Array;
  count = 0;

  constructor(capacity: number) {
    this.frames = new Int32Array(capacity);
  }

  /** False when the queue is full; it is as long as there are frames, so that needs one frame queued twice. */
  push(f: number): boolean {
    if (this.count === this.frames.length) return false;
    this.frames[this.count++] = f;
    return true;
  }

  clear(): void {
    this.count = 0;
  }
}
