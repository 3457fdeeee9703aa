import { z } from 'zod';
import type { TaskProfile } from '../evaluate/harness-protocol.ts';
import type { FixedMetric } from '../evaluate/harness-protocol.ts';

/** What kind of task a lesson comes from: nothing that names it. `logRows`: decimal logarithm of the labelled rows. */
export const Fingerprint = z.object({
  shape: z.string().max(40),
  target: z.string().max(40),
  metric: z.string().max(60),
  logRows: z.number().min(0).max(12),
  logColumns: z.number().min(0).max(8),
  /** Shares of the feature columns, 0 to 1. */
  categorical: z.number().min(0).max(1),
  text: z.number().min(0).max(1),
  hasMedia: z.boolean(),
  hasTables: z.boolean(),
});
export type Fingerprint = z.infer<typeof Fingerprint>;

/** `knowledge/<tenant>/lessons/<id>`: a claim of Claude's with what it rests on: the gain in standard errors over paired folds. */
export const Lesson = z.object({
  schemaVersion: z.literal(1),
  claim: z.string().min(1).max(300),
  scope: z.string().min(1).max(300),
  fingerprint: Fingerprint,
  evidence: z.object({ gainInErrors: z.number().min(2), folds: z.int().min(2) }),
  at: z.iso.datetime(),
});
export type Lesson = z.infer<typeof Lesson>;

/** A lesson with what later jobs made of it. */
export interface KnownLesson {
  readonly id: string;
  readonly lesson: Lesson;
  readonly helped: number;
  readonly tried: number;
}

const MOST_TOLD = 5;
const LEAST_GAIN_IN_ERRORS = 2;
const MOST_GAIN_IN_ERRORS = 1_000;
/** Tried twice without help, a lesson that started at 1/2 has 1/4: below this it is told no more. */
const LEAST_CONFIDENCE = 1 / 3;
const MOST_DISTANCE = 2.5;

/** The task's kind. */
export function takeFingerprint(profile: TaskProfile, metric: Pick<FixedMetric, 'id'>): Fingerprint {
  const types = profile.feature_columns.map((name) => profile.column_types[name]);
  const share = (...wanted: readonly string[]): number =>
    types.filter((type) => type !== undefined && wanted.includes(type)).length / Math.max(1, types.length);
  return {
    shape: profile.shape,
    target: profile.targets[0]?.type ?? 'none',
    metric: metric.id,
    logRows: Math.log10(Math.max(1, profile.train_rows)),
    logColumns: Math.log10(Math.max(1, profile.feature_columns.length)),
    categorical: share('categorical', 'boolean'),
    text: share('text'),
    hasMedia: profile.media_columns.length > 0,
    hasTables: profile.tables.length > 0,
  };
}

/** How unlike two tasks are: 0 = alike in all of this. */
export function measureDistance(left: Fingerprint, right: Fingerprint): number {
  const differs = (name: 'shape' | 'target' | 'metric' | 'hasMedia' | 'hasTables', weight: number): number =>
    left[name] === right[name] ? 0 : weight;
  const apart = (name: 'logRows' | 'logColumns' | 'categorical' | 'text', weight: number): number =>
    weight * Math.abs(left[name] - right[name]);
  return (
    differs('target', 1) +
    differs('shape', 0.75) +
    differs('metric', 0.5) +
    differs('hasMedia', 1.5) +
    differs('hasTables', 0.5) +
    apart('logRows', 0.4) +
    apart('logColumns', 0.3) +
    apart('categorical', 0.75) +
    apart('text', 1)
  );
}

/** The share of later tries that it helped, with one success and one failure added (Laplace's rule of succession). */
export function rateConfidence({ helped, tried }: Pick<KnownLesson, 'helped' | 'tried'>): number {
  return (helped + 1) / (tried + 2);
}

/** The lessons that a job like this one is told, the most promising first; those that did not hold are left out. */
export function chooseLessons(known: readonly KnownLesson[], fingerprint: Fingerprint): KnownLesson[] {
  const rated = known.map((each) => ({
    each,
    distance: measureDistance(each.lesson.fingerprint, fingerprint),
    confidence: rateConfidence(each),
  }));
  return rated
    .filter(({ distance, confidence }) => distance <= MOST_DISTANCE && confidence >= LEAST_CONFIDENCE)
    .toSorted(
      (left, right) =>
        right.confidence / (1 + right.distance) - left.confidence / (1 + left.distance) || (left.each.id < right.each.id ? -1 : 1),
    )
    .slice(0, MOST_TOLD)
    .map(({ each }) => each);
}

/** A gain in standard errors over paired folds; null where it is not more than twice its noise: nothing can be learned from that. */
export function rateGain(gain: number, noise: number): number | null {
  if (!(gain > LEAST_GAIN_IN_ERRORS * noise)) return null;
  return noise > 0 ? Math.min(MOST_GAIN_IN_ERRORS, gain / noise) : MOST_GAIN_IN_ERRORS;
}

/** Why a lesson is not kept: it names what only this competition has. Null = it may be kept. */
export function findLocalName(texts: readonly string[], names: readonly string[]): string | null {
  const words = new Set(texts.join(' ').match(/[\p{L}\p{N}_]+/gu) ?? []);
  const found = names.find((name) => name.length >= MIN_NAME_CHARS && !/^[a-z]+$/.test(name) && words.has(name));
  return found === undefined ? null : `it names ${found}, which only this competition has`;
}

/** Shorter names, and those that are plain lower-case words, say nothing of where they come from. */
const MIN_NAME_CHARS = 3;
