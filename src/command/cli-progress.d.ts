// The part of cli-progress that is used; the package has no types.

declare module 'cli-progress' {
  export interface BarOptions {
    readonly format?: string;
    readonly stream?: NodeJS.WritableStream;
    readonly clearOnComplete?: boolean;
    readonly hideCursor?: boolean;
  }
  export class SingleBar {
    constructor(options: BarOptions);
    start(total: number, value: number): void;
    update(value: number): void;
    stop(): void;
  }
}
