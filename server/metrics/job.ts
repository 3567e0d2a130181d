/** Where background work is registered; the server's are its metrics. */
export interface Jobs {
  job(name: string): Job;
}

/** How a background job fares; see Metrics.job. */
export class Job {
  readonly name: string;
  /** In seconds since 1970; 0 before the first time. */
  lastSuccess = 0;
  failures = 0;

  constructor(name: string) {
    this.name = name;
  }

  done(): void {
    this.lastSuccess = Date.now() / 1000;
  }

  failed(): void {
    this.failures++;
  }

  /**
   * Runs the work every so many milliseconds; what fails is noted, and tried again at the next time.
   *
   * @param onFailure told of each failure
   * @returns ends it; what is under way goes on
   */
  every(ms: number, work: () => Promise<unknown>, onFailure: (error: unknown) => void = () => undefined): () => void {
    const timer = setInterval(() => void this.run(work).catch(onFailure), ms).unref();
    return () => clearInterval(timer);
  }

  /** Runs the work and notes how it went. */
  async run<Result>(work: () => Promise<Result>): Promise<Result> {
    try {
      const result = await work();
      this.done();
      return result;
    } catch (error) {
      this.failed();
      throw error;
    }
  }
}
