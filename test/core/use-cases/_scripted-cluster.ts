import type { JobRunner, RunObservation, RunOrder } from '#core/ports.ts';

/** A cluster that says what a test tells it: answers that a real one gives only by chance, such as an error after the effect. */
export class ScriptedCluster implements JobRunner {
  readonly runs = new Map<string, RunObservation>();
  readonly removed: string[] = [];
  /** Replaces the creation of a run; it may add the run and throw all the same. */
  onCreate: ((order: RunOrder) => RunObservation) | null = null;
  /** Runs in a page of the list. */
  pageSize = 1000;

  /** A run of an order that waits for a node. */
  add(order: Omit<RunOrder, 'token' | 'spec'>): RunObservation {
    const { jobName, jobId, attempt, specHash } = order;
    const run: RunObservation = {
      jobName,
      uid: `uid-${jobName}`,
      jobId,
      attempt,
      specHash,
      phase: 'waiting',
      alive: true,
      deleting: false,
      exitCode: null,
      failure: null,
      reason: 'waiting for a node',
      podName: null,
      startedAt: null,
      finishedAt: null,
      recorded: false,
    };
    this.runs.set(jobName, run);
    return run;
  }

  /** What the cluster says of a run from now on. */
  change(jobName: string, change: Partial<RunObservation>): void {
    const run = this.runs.get(jobName);
    if (run === undefined) throw new Error(`the cluster has no ${jobName}`);
    this.runs.set(jobName, { ...run, ...change });
  }

  /** The run ended by itself. */
  end(jobName: string, change: Partial<RunObservation>): void {
    this.change(jobName, { phase: 'failed', alive: false, finishedAt: new Date(), ...change });
  }

  async create(order: RunOrder): Promise<RunObservation> {
    return this.onCreate?.(order) ?? this.runs.get(order.jobName) ?? this.add(order);
  }

  async observe(jobName: string): Promise<RunObservation | null> {
    return this.runs.get(jobName) ?? null;
  }

  async list({ cursor }: { readonly cursor: string | null }): Promise<{ items: RunObservation[]; cursor: string | null }> {
    const from = Number(cursor ?? 0);
    const items = [...this.runs.values()];
    const next = from + this.pageSize;
    return { items: items.slice(from, next), cursor: next < items.length ? String(next) : null };
  }

  async remove({ jobName }: { readonly jobName: string }): Promise<void> {
    this.removed.push(jobName);
    this.change(jobName, { deleting: true });
  }

  async markRecorded({ jobName }: { readonly jobName: string }): Promise<void> {
    this.change(jobName, { recorded: true });
  }

  async describeNodes(): Promise<null> {
    return null;
  }
}
