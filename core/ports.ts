import type { FailureCode, Attempt, Job, JobEvent, JobEventType, JobOptions, JobState } from './job.ts';
import type { PlainEvent } from './events.ts';
import type { SolutionReport } from './report.ts';

/** Time of this process. The ledger judges leases and deadlines by the database's clock instead. */
export interface Clock {
  now(): Date;
  /** Milliseconds that never go back; for durations. */
  monotonicMs(): number;
}

/** An event to be written in the same transaction as a change; its id becomes `<job_id>.<version>.<type>`. */
export interface OutboxDraft {
  readonly type: string;
  readonly source: string;
}

/** One line for the job's history, written with the change. */
export interface HistoryDraft {
  readonly type: JobEventType;
  readonly message: string;
  readonly data?: Readonly<Record<string, unknown>>;
}

/** Columns of a job that a use case may change. `undefined` = leave. `at: 'now'` stamps with the database's clock. */
export interface JobChange {
  readonly state?: JobState;
  readonly reason?: string;
  readonly failedAttempts?: number;
  readonly startFailures?: number;
  readonly launchTries?: number;
  /** Milliseconds from the database's now; null clears. */
  readonly notBeforeInMs?: number | null;
  readonly resources?: JobOptions['resources'];
  readonly progress?: Job['progress'];
  readonly error?: Job['error'];
  readonly result?: Job['result'];
  readonly podName?: string | null;
  /** Each named column is set to the database's now (first_started_at and completed_at only when still null). */
  readonly stamp?: readonly ('queuedAt' | 'startedAt' | 'firstStartedAt' | 'completedAt' | 'cancelRequestedAt')[];
  readonly clear?: readonly ('queuedAt' | 'startedAt' | 'podName')[];
}

/** Columns of an attempt that a use case may change, in the same transaction as the job's. */
export interface AttemptChange {
  readonly state?: Attempt['state'];
  readonly slotHeld?: boolean;
  readonly clusterUid?: string | null;
  readonly leaseForMs?: number | null;
  readonly lastEventSeq?: number;
  readonly outcome?: Attempt['outcome'];
  readonly exitCode?: number | null;
  readonly reason?: string | null;
  readonly removeReason?: FailureCode | null;
  readonly recordedInCluster?: boolean;
  readonly stamp?: readonly ('launchedAt' | 'claimedAt' | 'endedAt' | 'lastEventAt' | 'removeRequestedAt')[];
}

/** A fenced and versioned change of a job: applies only if version, state and attempt are still the ones that were read. */
export interface ChangeJobParams {
  readonly job: Pick<Job, 'id' | 'version' | 'attempt'>;
  readonly from: readonly JobState[];
  readonly change: JobChange;
  /** Change of the attempt row `job.attempt`; refused (null) when that row is `ended` already. */
  readonly attempt?: AttemptChange;
  /** An attempt that is `ended` already is left as it is, and the job is changed all the same (cancel of a job between two attempts). */
  readonly attemptMayHaveEnded?: boolean;
  /** Refuse when any attempt of the job holds a slot (cancel of a pending job). */
  readonly onlyWithoutSlot?: boolean;
  readonly history: readonly HistoryDraft[];
  readonly outbox: readonly OutboxDraft[];
  readonly solutions?: readonly SolutionReport[];
}

export interface NewJob {
  readonly id: string;
  readonly tenant: string;
  readonly slug: string;
  readonly kaggleUrl: string;
  readonly jobName: string;
  readonly options: JobOptions;
  readonly reason: string;
  readonly traceparent: string | null;
  /** Either, or both: what makes a repeat of the same request harmless. `bodyHash` compares canonical JSON. */
  readonly idempotencyKey: { readonly key: string; readonly bodyHash: string } | null;
  readonly request: { readonly source: string; readonly id: string; readonly bodyHash: string } | null;
  readonly outbox: OutboxDraft;
  /** The event is born leased to the caller, who sends it after the commit; nobody else sends it before this time is over. */
  readonly outboxLeaseMs: number;
}

/** `event`: what the caller has to send now. `replayed`: the same key and body came before; `mismatch`: same key, other body; `name-taken`: draw a new id. */
export type InsertOutcome =
  | { readonly kind: 'created'; readonly job: Job; readonly event: PlainEvent }
  | { readonly kind: 'replayed'; readonly job: Job }
  | { readonly kind: 'mismatch'; readonly job: Job }
  | { readonly kind: 'name-taken' };

/** An attempt together with its job, read in one statement; `now` is the database's clock. */
export interface AttemptWithJob {
  readonly job: Job;
  readonly attempt: Attempt;
  readonly now: Date;
}

export interface OutboxRow {
  readonly event: PlainEvent;
  readonly jobId: string;
  readonly tries: number;
  readonly createdAt: Date;
}

export interface JobQuery {
  readonly tenant: string | null;
  readonly states: readonly JobState[] | null;
  readonly request: { readonly source: string; readonly id: string } | null;
  readonly limit: number;
  /** Opaque; from an earlier page. Throws AgentError `invalid-query` when it is not one of ours. */
  readonly cursor: string | null;
}

export interface DeadLetter {
  readonly id: string;
  readonly receivedAt: Date;
  readonly event: PlainEvent;
  readonly errorDestination: string | null;
  readonly errorCode: string | null;
  readonly errorData: string | null;
  readonly redrivenAt: Date | null;
}

/** What the tick has to look at besides open attempts. */
export interface WorkSummary {
  readonly pendingDue: number;
  readonly slotsHeld: number;
  readonly removalsDue: number;
  readonly launchesExpired: number;
  readonly outboxDue: number;
}

/** How a claimed slot becomes an attempt: pure, called inside the claiming transaction. */
export type MakeAttempt = (
  job: Job,
  number: number,
  now: Date,
) => { readonly jobName: string; readonly spec: unknown; readonly specHash: string };

/**
 * The ledger: the only truth about jobs. Every method is one transaction on a real Postgres. Methods throw AgentError `unavailable`
 * when the database can't be reached or asks to try again; serialization failures are retried inside (at most 3 times).
 */
export interface JobStore {
  insertJob(job: NewJob): Promise<InsertOutcome>;
  getJob(id: string): Promise<Job | null>;
  /** Null when no such attempt. */
  getAttempt(jobId: string, number: number): Promise<AttemptWithJob | null>;
  /** The attempt that a name in the cluster belongs to. */
  findAttemptByName(jobName: string): Promise<AttemptWithJob | null>;
  findJobByRequest(tenant: string, source: string, id: string): Promise<Job | null>;
  listJobs(query: JobQuery): Promise<{ jobs: Job[]; total: number; nextCursor: string | null }>;
  countJobs(tenant: string | null): Promise<Record<JobState, number>>;
  /** The changed job, or null when version, state or attempt no longer match: re-read and decide again. */
  changeJob(params: ChangeJobParams): Promise<Job | null>;
  /** Change of an attempt that does not show in the job's history (slot, uid, lease). Null when the attempt is not in `from`. */
  changeAttempt(params: {
    readonly jobId: string;
    readonly number: number;
    readonly from: readonly Attempt['state'][];
    readonly change: AttemptChange;
  }): Promise<Attempt | null>;
  /**
   * Launching, step (a): one transaction under one advisory lock. Counts held slots, then gives at most `cap` − held of them to due
   * pending jobs (priority, then age): reopens a `waiting` attempt under its frozen spec (uid, removal, exit and reason of its last try
   * are cleared), else makes attempt + 1. Jobs become
   * version + 1 with a `launching` line in their history; their state stays `pending`. Skips jobs that asked for cancel.
   */
  claimSlots(params: { readonly cap: number; readonly leaseMs: number; readonly make: MakeAttempt }): Promise<AttemptWithJob[]>;
  /** Takes over `launching` attempts whose lease ran out (their launcher died between claim and report), with a new lease. */
  takeExpiredLaunches(params: { readonly leaseMs: number; readonly limit: number }): Promise<AttemptWithJob[]>;
  /** Attempts that are not ended or still hold a slot, by (job, number) after `after`; a page for the tick. */
  listOpenAttempts(params: {
    readonly after: string | null;
    readonly limit: number;
  }): Promise<{ items: AttemptWithJob[]; next: string | null }>;
  readWork(): Promise<WorkSummary>;
  readHistory(params: { readonly jobId: string; readonly afterSeq: number; readonly limit: number }): Promise<JobEvent[]>;
  /** One statement for all live streams of a process: the new lines of many jobs, at most `limit` for each. */
  readHistories(params: { readonly after: ReadonlyMap<string, number>; readonly limit: number }): Promise<JobEvent[]>;
  listSolutions(jobId: string): Promise<SolutionReport[]>;
  leaseOutbox(params: { readonly limit: number; readonly leaseMs: number; readonly jobId: string | null }): Promise<OutboxRow[]>;
  markSent(eventIds: readonly string[]): Promise<void>;
  rescheduleSend(params: { readonly eventId: string; readonly delayMs: number; readonly error: string }): Promise<void>;
  /** True the first time that this consumer sees (source, id). */
  insertInbox(params: { readonly consumer: string; readonly source: string; readonly id: string }): Promise<boolean>;
  insertDeadLetter(letter: Omit<DeadLetter, 'receivedAt' | 'redrivenAt'>): Promise<void>;
  listDeadLetters(params: { readonly limit: number }): Promise<DeadLetter[]>;
  getDeadLetter(id: string): Promise<DeadLetter | null>;
  markRedriven(id: string): Promise<boolean>;
  /**
   * Deletes sent outbox rows older than 7 days and the rows of jobs past retention, at most `limit` of each. `jobs`: those whose objects are still
   * to be deleted, now or since an earlier call; each is told again until `forgetPruned`.
   */
  prune(params: { readonly retentionDays: number; readonly limit: number }): Promise<{ outbox: number; jobs: string[] }>;
  /** The objects of a pruned job are gone. */
  forgetPruned(jobId: string): Promise<void>;
  /** One cheap statement; throws when the database does not answer. */
  ping(): Promise<void>;
  /** Counters of stale writes refused and repairs made, kept in the ledger so that they survive scale-to-zero. */
  addCounters(counters: Readonly<Record<string, number>>): Promise<void>;
  readCounters(): Promise<Record<string, number>>;
}

export interface StoredObject {
  readonly key: string;
  readonly bytes: number;
  readonly sha256: string;
  readonly contentType: string;
  readonly createdAt: Date;
}

/** Outcome of a create-only write. `exists` also says whether the bytes there are the same: equal means our own lost reply, or a twin. */
export type CreateOutcome =
  { readonly kind: 'created'; readonly object: StoredObject } | { readonly kind: 'exists'; readonly same: boolean };

/**
 * Object storage, write-once: nothing is ever overwritten. Keys are relative, `/`-separated, without `.` or `..` parts. Methods throw
 * AgentError `unavailable` when storage can't be reached.
 */
export interface ArtifactStore {
  createObject(key: string, body: Uint8Array | string, contentType: string): Promise<CreateOutcome>;
  createObjectFromFile(key: string, path: string, contentType: string): Promise<CreateOutcome>;
  /** Create-only copy inside the store. Throws `file-not-found` when the source is missing. */
  copyObject(from: string, to: string): Promise<CreateOutcome>;
  statObject(key: string): Promise<StoredObject | null>;
  /** Null when missing; throws when larger than `maxBytes`. */
  readObject(key: string, maxBytes: number): Promise<Uint8Array | null>;
  /** A stream of the bytes, or null when missing. The caller consumes or destroys it. */
  openObject(
    key: string,
    range?: { readonly start: number },
  ): Promise<{ readonly object: StoredObject; readonly stream: AsyncIterable<Uint8Array> } | null>;
  /** Objects under a prefix in key order, after `after` (a full key, exclusive). */
  listObjects(params: { readonly prefix: string; readonly after: string | null; readonly limit: number }): Promise<StoredObject[]>;
  /** For retention only. Missing objects are fine. */
  deletePrefix(prefix: string): Promise<number>;
  ping(): Promise<void>;
}

/** What the cluster says of one attempt's Job. `finished`: its own end is decided AND no process or pod of it lives. */
export interface RunObservation {
  readonly jobName: string;
  readonly uid: string;
  readonly jobId: string;
  readonly attempt: number;
  readonly specHash: string;
  readonly phase: 'waiting' | 'running' | 'succeeded' | 'failed';
  readonly alive: boolean;
  readonly deleting: boolean;
  readonly exitCode: number | null;
  /** Set when `failed`: the class of the failure, from the Job's condition first. */
  readonly failure: FailureCode | null;
  /** One line for people: "out of memory (limit 2Gi)", "waiting: no node has 8 CPUs free". */
  readonly reason: string;
  readonly podName: string | null;
  readonly startedAt: Date | null;
  readonly finishedAt: Date | null;
  /** True once `markRecorded` was called. */
  readonly recorded: boolean;
}

/** True when the end of a run is decided and nothing of it lives: only then may its slot be given away. */
export function isOver(run: Pick<RunObservation, 'phase' | 'alive'>): boolean {
  return !run.alive && (run.phase === 'succeeded' || run.phase === 'failed');
}

/** What to create. The secret token is given apart from the frozen spec, and never stored in the ledger. */
export interface RunOrder {
  readonly spec: unknown;
  readonly specHash: string;
  readonly jobName: string;
  readonly jobId: string;
  readonly attempt: number;
  readonly token: string;
}

/** Why the cluster did not take an order. `refused`: never will; `busy`: not now; `mismatch`: the name is taken by something else. */
export class RunnerError extends Error {
  override name = 'RunnerError' as const;
  readonly kind: 'refused' | 'busy' | 'mismatch';
  readonly retryAfterMs: number | null;
  constructor(kind: 'refused' | 'busy' | 'mismatch', message: string, retryAfterMs: number | null = null, cause?: unknown) {
    super(message, { cause });
    this.kind = kind;
    this.retryAfterMs = retryAfterMs;
  }
}

/** The cluster that runs attempts: Kubernetes Jobs, or processes on one machine. Every call may be repeated. */
export interface JobRunner {
  /** Create-or-verify: an existing run with the same labels and spec hash is success. Throws RunnerError. */
  create(order: RunOrder): Promise<RunObservation>;
  observe(jobName: string): Promise<RunObservation | null>;
  list(params: { readonly cursor: string | null; readonly limit: number }): Promise<{ items: RunObservation[]; cursor: string | null }>;
  /** Foreground deletion with the uid as precondition: TERM, grace, KILL. Missing or other uid = nothing happens. Does not wait. */
  remove(params: { readonly jobName: string; readonly uid: string }): Promise<void>;
  /** After the ledger has recorded the end: the cluster may forget the run (TTL). */
  markRecorded(params: { readonly jobName: string; readonly uid: string }): Promise<void>;
  /** Capacity, for `/cluster/nodes`; null where nobody may look. */
  describeNodes(): Promise<readonly ClusterNode[] | null>;
}

export interface ClusterNode {
  readonly name: string;
  readonly status: string;
  readonly capacity: Readonly<Record<string, string>>;
  readonly allocatable: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
}

/** Sends one event to a broker or service. Resolves on any 2xx; throws AgentError `unavailable` otherwise, or after `timeoutMs`. */
export interface EventSink {
  send(event: PlainEvent, options: { readonly timeoutMs: number }): Promise<void>;
}

/** Structured log lines; never given secrets or untrusted bytes beyond a short cut. */
export interface Logger {
  info(fields: Readonly<Record<string, unknown>>, message: string): void;
  warn(fields: Readonly<Record<string, unknown>>, message: string): void;
  error(fields: Readonly<Record<string, unknown>>, message: string): void;
}
