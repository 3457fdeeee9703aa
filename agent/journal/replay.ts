import type { FixedMetric, TaskProfile } from '../evaluate/harness-protocol.ts';
import type { SolutionReport } from '#core/report.ts';
import type { BlockEffect, DataFile, Grade, JournalEntry, StateObject, ToldLesson } from './entries.ts';

/** The task as it was fixed once; later attempts use it unchanged. */
export interface FixedTask {
  readonly profile: TaskProfile;
  readonly metric: FixedMetric;
  readonly seed: number;
  readonly foldCount: number;
  readonly foldHash: string | null;
  readonly data: readonly DataFile[];
}

/** A solution that an earlier attempt finished: graded (with its stored scores) or failed. */
export interface FinishedSolution {
  readonly report: SolutionReport;
  readonly standardError: number | null;
  readonly weights: readonly { readonly solution: number; readonly weight: number }[];
  readonly state: StateObject | null;
  readonly grades: readonly Grade[];
}

/** Something spent or meant to be spent. `open` = no settlement was written: charged in full. */
export interface Reservation {
  readonly id: string;
  readonly what: 'claude-call' | 'kaggle-submission';
  readonly usd: number;
  readonly contentSha256: string | null;
  readonly open: boolean;
  readonly outcome: string | null;
}

/** What was written when a solution was begun. */
export type StartedSolution = Extract<JournalEntry['fact'], { type: 'solution-started' }>;

/** Where an answer of Claude is, and to what. */
export type StoredReply = Extract<JournalEntry['fact'], { type: 'replied' }>;

/** What a person told the job, and in which turn it was heard. */
export type Instructed = Extract<JournalEntry['fact'], { type: 'instructed' }>;

/** The state that a journal means. */
export interface JournalState {
  readonly task: FixedTask | null;
  readonly finished: ReadonlyMap<number, FinishedSolution>;
  /** Numbers given out so far, plus one. */
  readonly nextNumber: number;
  /** Solutions that were started, by number: an unfinished one is run again under its own number. */
  readonly started: ReadonlyMap<number, StartedSolution>;
  /** How many attempts died while they ran this solution: one that ends attempts again and again is not run any more. */
  readonly deaths: ReadonlyMap<number, number>;
  readonly reservations: ReadonlyMap<string, Reservation>;
  /** The solutions that Claude was told of when its turn began; null = it has not begun. */
  readonly explored: readonly number[] | null;
  /** Stored answers of Claude by the number of the question. */
  readonly replies: ReadonlyMap<number, StoredReply>;
  /** What blocks are worth, by the number of the solution. */
  readonly effects: ReadonlyMap<number, readonly BlockEffect[]>;
  /** The order in which workers changed what they share, and how many they were; null = there was one. */
  readonly order: { readonly turns: readonly string[]; readonly workers: number } | null;
  /** Lessons that the job was told; null = none were chosen yet. */
  readonly lessons: readonly ToldLesson[] | null;
  /** What people told the job, in their order. */
  readonly instructions: readonly Instructed[];
  /** Seconds that the first attempt had; null = there was none. */
  readonly limitS: number | null;
  readonly spentUsd: number;
  readonly usedSeconds: number;
}

/** Folds the verified journal of ended attempts into its state. Pure. A second `task-fixed` (the files changed) sets earlier solutions aside. */
export function replayJournal(entries: readonly JournalEntry[]): JournalState {
  let task: FixedTask | null = null;
  const finished = new Map<number, FinishedSolution>();
  const started = new Map<number, StartedSolution>();
  const reservations = new Map<string, Reservation>();
  const elapsedByAttempt = new Map<number, number>();
  const deaths = new Map<number, number>();
  const replies = new Map<number, StoredReply>();
  const effects = new Map<number, readonly BlockEffect[]>();
  const instructions: Instructed[] = [];
  let turns: string[] = [];
  let workers = 0;
  let limitS: number | null = null;
  let lessons: readonly ToldLesson[] | null = null;
  let explored: readonly number[] | null = null;
  let open = new Set<number>();
  let nextNumber = 1;
  for (const { fact, attempt, elapsedS } of entries) {
    elapsedByAttempt.set(attempt, Math.max(elapsedS, elapsedByAttempt.get(attempt) ?? 0));
    if (fact.type === 'attempt-started') {
      for (const number of open) deaths.set(number, (deaths.get(number) ?? 0) + 1);
      open = new Set();
      limitS ??= fact.remainingS;
    } else if (fact.type === 'attempt-ended') {
      open = new Set();
    } else if (fact.type === 'task-fixed') {
      task = fact;
      finished.clear();
      started.clear();
      replies.clear();
      effects.clear();
      turns = [];
      explored = null;
    } else if (fact.type === 'solution-started') {
      started.set(fact.number, fact);
      open.add(fact.number);
      nextNumber = Math.max(nextNumber, fact.number + 1);
    } else if (fact.type === 'solution-finished') {
      const grades = fact.grades.length > 0 ? fact.grades : (finished.get(fact.report.number)?.grades ?? []);
      finished.set(fact.report.number, { ...fact, grades });
      open.delete(fact.report.number);
    } else if (fact.type === 'exploration-begun') {
      explored = fact.known;
    } else if (fact.type === 'replied') {
      replies.set(fact.call, fact);
    } else if (fact.type === 'turn') {
      turns = [...turns.slice(0, fact.index), fact.event];
      ({ workers } = fact);
    } else if (fact.type === 'lessons-told') {
      ({ lessons } = fact);
    } else if (fact.type === 'instructed') {
      instructions.push(fact);
    } else if (fact.type === 'ablated') {
      effects.set(fact.solution, fact.effects);
    } else if (fact.type === 'reserved') {
      reservations.set(fact.id, { ...fact, open: true, outcome: null });
    } else if (fact.type === 'settled') {
      const reservation = reservations.get(fact.id);
      if (reservation) reservations.set(fact.id, { ...reservation, usd: fact.usd, open: false, outcome: fact.outcome });
    }
  }
  // What the last attempt left open died with it: only ended attempts are replayed.
  for (const number of open) deaths.set(number, (deaths.get(number) ?? 0) + 1);
  const order = turns.length === 0 ? null : { turns, workers };
  const spentUsd = [...reservations.values()].reduce((sum, reservation) => sum + reservation.usd, 0);
  const usedSeconds = [...elapsedByAttempt.values()].reduce((sum, seconds) => sum + seconds, 0);
  return {
    task,
    finished,
    nextNumber,
    started,
    deaths,
    reservations,
    explored,
    replies,
    effects,
    order,
    lessons,
    instructions,
    limitS,
    spentUsd,
    usedSeconds,
  };
}
