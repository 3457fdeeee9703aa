import type { ArtifactStore, AttemptWithJob, HistoryDraft, JobStore } from '../ports.ts';
import type { AgentEvent, SolutionReport } from '../report.ts';
import type { AgentWords } from './read-agent.ts';
import type { Progress } from '../job.ts';
import { EVENT_TYPES, eventSource } from '../events.ts';
import { LIVE_STATES, isFinal } from '../job.ts';
import { readWords } from './read-agent.ts';

type Exited = Extract<AgentEvent, { type: 'exited' }>;

const CONFLICT_TRIES = 20;
const PAGES = 50;

/** The ledger after everything that the attempt had said was applied, and its last word if it has ended. */
export interface AppliedWords {
  readonly read: AttemptWithJob;
  readonly exited: Exited | null;
  readonly changed: boolean;
}

/** Applies an attempt's new event objects to the ledger, fenced by its number: state, progress, solutions, improvements. */
export async function applyWords(
  deps: { readonly store: JobStore; readonly artifacts: ArtifactStore },
  start: AttemptWithJob,
): Promise<AppliedWords> {
  let read = start;
  let exited: Exited | null = null;
  let changed = false;
  for (let page = 0; page < PAGES; page += 1) {
    const words = await readWords(deps.artifacts, {
      jobId: read.job.id,
      attempt: read.attempt.number,
      afterSeq: read.attempt.lastEventSeq,
    });
    exited = words.events.find((event) => event.type === 'exited') ?? exited;
    if (words.lastSeq === read.attempt.lastEventSeq) break;
    const next = await applyPage(deps.store, read, words);
    if (next === null) break;
    read = next;
    changed = true;
    if (!words.more) break;
  }
  exited ??= await rereadExit(deps.artifacts, read);
  return { read, exited, changed };
}

/** An exit that an earlier look has applied already is the last event object: read it again for its message. */
async function rereadExit(artifacts: ArtifactStore, { job, attempt }: AttemptWithJob): Promise<Exited | null> {
  if (attempt.lastEventSeq === 0 || attempt.state === 'ended') return null;
  const words = await readWords(artifacts, { jobId: job.id, attempt: attempt.number, afterSeq: attempt.lastEventSeq - 1 });
  return words.events.find((event) => event.type === 'exited') ?? null;
}

async function applyPage(store: JobStore, start: AttemptWithJob, words: AgentWords): Promise<AttemptWithJob | null> {
  let read: AttemptWithJob | null = start;
  for (let tries = 0; tries < CONFLICT_TRIES && read !== null; tries += 1) {
    const { job, attempt } = read;
    if (isFinal(job.state) || attempt.state === 'ended' || job.attempt !== attempt.number || attempt.lastEventSeq >= words.lastSeq)
      return null;
    // Another collector may have applied the first of these words since they were read: each counts once.
    const events = words.events.filter((event) => event.seq > attempt.lastEventSeq);
    const progress = latestProgress(events);
    const isStart = attempt.state !== 'claimed';
    const done = await store.changeJob({
      job,
      from: LIVE_STATES,
      change: {
        state: 'running',
        reason: job.cancelRequestedAt === null ? (progress?.message ?? 'running') : job.reason,
        ...(progress && { progress }),
        ...(isStart && { stamp: ['startedAt', 'firstStartedAt'] as const, podName: startedPod(events) ?? job.podName }),
      },
      attempt: {
        state: 'claimed',
        slotHeld: true,
        leaseForMs: null,
        lastEventSeq: words.lastSeq,
        stamp: isStart ? ['claimedAt', 'lastEventAt'] : ['lastEventAt'],
      },
      history: describeWords(events, isStart, attempt.number),
      outbox: events.some((event) => event.type === 'improved') ? [{ type: EVENT_TYPES.improved, source: eventSource('collector') }] : [],
      solutions: latestSolutions(events),
    });
    const again = await store.getAttempt(job.id, attempt.number);
    if (done !== null) return again;
    read = again;
  }
  return null;
}

function latestProgress(events: readonly AgentEvent[]): Progress | null {
  return events.reduce<Progress | null>((latest, event) => ('progress' in event && event.progress ? event.progress : latest), null);
}

function startedPod(events: readonly AgentEvent[]): string | null {
  return events.find((event) => event.type === 'started')?.podName ?? null;
}

function latestSolutions(events: readonly AgentEvent[]): SolutionReport[] {
  const byNumber = new Map<number, SolutionReport>();
  for (const event of events) if (event.type === 'progressed' && event.solution) byNumber.set(event.solution.number, event.solution);
  return [...byNumber.values()];
}

/** History keeps the start, every improvement, and the last of a page's progress lines. */
function describeWords(events: readonly AgentEvent[], isStart: boolean, attempt: number): HistoryDraft[] {
  const lines: HistoryDraft[] = isStart ? [{ type: 'started', message: `attempt ${attempt} is running` }] : [];
  const lastProgress = events.findLast((event) => event.type === 'progressed');
  for (const event of events) {
    if (event.type === 'improved')
      lines.push({ type: 'improved', message: event.progress.message, data: { progress: event.progress, best: event.best } });
    else if (event === lastProgress)
      lines.push({ type: 'progressed', message: event.progress.message, data: { progress: event.progress } });
  }
  return lines;
}
