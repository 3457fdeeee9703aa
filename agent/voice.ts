import type { Progress } from '#core/job.ts';
import type { ArtifactStore, Clock, EventSink } from '#core/ports.ts';
import type { AgentEvent, SolutionReport } from '#core/report.ts';
import type { JobError } from '#core/job.ts';
import { EVENT_TYPES, eventSource } from '#core/events.ts';
import { keys } from '#core/names.ts';
import { ClaimLost } from './errors.ts';
import { createWithRetry } from './storing.ts';

/** Timings of the voice; tests make them short. */
export interface VoiceTimings {
  readonly coalesceMs: number;
  readonly heartbeatMs: number;
  readonly hintTimeoutMs: number;
}
export const VOICE_TIMINGS: VoiceTimings = { coalesceMs: 1_000, heartbeatMs: 25_000, hintTimeoutMs: 3_000 };

/** Everything an attempt says: first a stored object, gap-free from 1, then a hint that may be lost. Nothing here ever blocks work. */
export interface Voice {
  readonly progress: () => Progress;
  /** Changes the progress; said within about a second, together with later changes. A solution or a new stage is said as it is. */
  update(change: Partial<Progress>, solution?: SolutionReport): void;
  improved(change: Partial<Progress>, best: number): void;
  /** The last word. Resolves when it is stored and its hint was tried. */
  exited(exitCode: number, error: JobError | null): Promise<void>;
  /** Resolves when everything said so far is stored. */
  flush(): Promise<void>;
  secondsSinceStored(): number;
  /** Stops timers; what is queued is still stored. */
  close(): Promise<void>;
}

/** What `createVoice` needs. `onLost` is called once when storage refuses an event for good: somebody else writes here. */
export interface VoiceParams {
  readonly store: ArtifactStore;
  readonly sink: EventSink | null;
  readonly clock: Clock;
  readonly jobId: string;
  readonly attempt: number;
  readonly tenant: string;
  readonly traceparent: string | null;
  readonly podName: string | null;
  /** Signature of an event id; null = hints go unsigned (no plane listens). */
  readonly sign: ((eventId: string) => string) | null;
  readonly remainingS: () => number;
  readonly onLost: (error: unknown) => void;
  readonly timings?: VoiceTimings;
}

/** Omit over each member of a union. */
type Draft = AgentEvent extends infer E ? (E extends AgentEvent ? Omit<E, 'seq' | 'at'> : never) : never;

const START: Progress = {
  stage: 'starting',
  message: 'starting',
  solutionsDone: 0,
  solutionsPlanned: null,
  best: null,
  metric: null,
  direction: null,
  remainingS: null,
  firstValidSeconds: null,
};

/** Starts speaking: `started` is the first event, heartbeats follow until `close`. */
export function startVoice(params: VoiceParams): Voice {
  const timings = params.timings ?? VOICE_TIMINGS;
  const stored = createStoredEvents(params, timings);
  let progress = START;
  let dirty = false;
  let closed = false;
  const now = () => params.clock.monotonicMs();
  let lastSaidMs = now();

  const change = (part: Partial<Progress>): Progress => {
    progress = { ...progress, ...part, remainingS: Math.max(0, Math.round(params.remainingS() * 10) / 10) };
    return progress;
  };
  const say = (draft: Draft): void => {
    lastSaidMs = now();
    dirty = false;
    stored.add(draft);
  };
  const onTimer = (): void => {
    const quietMs = now() - lastSaidMs;
    if (dirty || quietMs >= timings.heartbeatMs) say({ type: 'progressed', progress: change({}), solution: null });
  };
  const timer = setInterval(onTimer, timings.coalesceMs);
  timer.unref();
  say({ type: 'started', podName: params.podName });
  const close = async (): Promise<void> => {
    closed = true;
    clearInterval(timer);
    await stored.flush();
  };
  return {
    progress: () => progress,
    update(part, solution) {
      const before = progress.stage;
      change(part);
      if (closed) return;
      // A new stage is news, like a solution; the rest waits for the timer.
      if (solution !== undefined || progress.stage !== before) say({ type: 'progressed', progress, solution: solution ?? null });
      else dirty = true;
    },
    improved(part, best) {
      say({ type: 'improved', progress: change(part), best });
    },
    async exited(exitCode, error) {
      say({ type: 'exited', exitCode, error, progress: change({}) });
      await close();
      await stored.hinted();
    },
    flush: () => stored.flush(),
    secondsSinceStored: stored.secondsSinceStored,
    close,
  };
}

/** The queue behind the voice: one writer, in order; of the hints only the newest waits while one is under way. */
function createStoredEvents(params: VoiceParams, timings: VoiceTimings) {
  const { store, clock, jobId, attempt } = params;
  let seq = 0;
  let tail: Promise<void> = Promise.resolve();
  let broken = false;
  let lastStoredMs = clock.monotonicMs();
  let hinting: Promise<void> | null = null;
  let nextHint: { type: string; seq: number } | null = null;

  const storeEvent = async (draft: Draft): Promise<void> => {
    if (broken) return;
    const event = { ...draft, seq: seq + 1, at: clock.now().toISOString() };
    const key = keys.event(jobId, attempt, event.seq);
    try {
      const outcome = await createWithRetry(store, { key, body: JSON.stringify(event), contentType: 'application/json' });
      if (outcome.kind === 'exists' && !outcome.same)
        throw new ClaimLost(`event ${event.seq} of attempt ${attempt} was written by another process`);
    } catch (error) {
      broken = true;
      params.onLost(error);
      return;
    }
    seq = event.seq;
    lastStoredMs = clock.monotonicMs();
    hint(draft.type, event.seq);
  };
  const hint = (type: AgentEvent['type'], eventSeq: number): void => {
    if (params.sink === null) return;
    nextHint = { type: HINT_TYPES[type], seq: eventSeq };
    hinting ??= sendHints();
  };
  const sendHints = async (): Promise<void> => {
    while (nextHint !== null) {
      const { type, seq: eventSeq } = nextHint;
      nextHint = null;
      await params.sink?.send(makeHint(params, type, eventSeq), { timeoutMs: timings.hintTimeoutMs }).catch(() => undefined);
    }
    hinting = null;
  };
  return {
    add(draft: Draft): void {
      tail = tail.then(() => storeEvent(draft));
    },
    flush: () => tail,
    hinted: async () => {
      await hinting;
    },
    secondsSinceStored: () => (clock.monotonicMs() - lastStoredMs) / 1000,
  };
}

const HINT_TYPES: Readonly<Record<AgentEvent['type'], string>> = {
  started: EVENT_TYPES.started,
  progressed: EVENT_TYPES.progressed,
  improved: EVENT_TYPES.progressed,
  exited: EVENT_TYPES.exited,
};

function makeHint(params: VoiceParams, type: string, seq: number) {
  const id = `${params.jobId}.${params.attempt}.${seq}`;
  return {
    id,
    type,
    source: eventSource('agent'),
    subject: params.jobId,
    time: params.clock.now().toISOString(),
    data: { job_id: params.jobId, attempt: params.attempt, seq },
    extensions: {
      attempt: params.attempt,
      tenant: params.tenant,
      ...(params.traceparent !== null && { traceparent: params.traceparent }),
      ...(params.sign !== null && { signature: params.sign(id) }),
    },
  };
}
