import type { RunContext, Task } from '../context.ts';
import type { Explored } from './exploration.ts';
import type { GradedSolution } from '../search/scoreboard.ts';
import type { Parent } from '../search/choose-parents.ts';
import type { ToldLesson } from '../journal/entries.ts';
import { chooseLessons, findLocalName, rateGain, takeFingerprint } from '../knowledge/lesson.ts';
import { keepLesson, keepOutcome, readLessons } from '../knowledge/library.ts';
import { askLibrarian } from '../roles/questions.ts';
import { cleanText } from '../log.ts';
import { describeError } from '../errors.ts';
import { fence } from '../roles/fence.ts';
import { compareScores, pairedStandardError } from '../search/scoreboard.ts';

const MOST_LESSONS_CHARS = 4_000;
const MOST_LESSONS_A_JOB = 2;

/**
 * The lessons of earlier jobs that this one is told: chosen once, journaled, so that every attempt is told the same. None when they cannot be
 * read: lessons are a help, never a condition.
 */
export async function recallLessons(run: RunContext, task: Task): Promise<readonly ToldLesson[]> {
  if (run.earlier.lessons !== null) return run.earlier.lessons;
  let lessons: ToldLesson[] = [];
  try {
    const known = await readLessons(run.store, run.spec.tenant, (key) =>
      run.log.warn(`a lesson that cannot be read is passed over: ${key}`),
    );
    lessons = chooseLessons(known, takeFingerprint(task.profile, task.metric)).map(({ id, lesson, helped, tried }) => ({
      id,
      claim: lesson.claim,
      scope: lesson.scope,
      helped,
      tried,
    }));
  } catch (error) {
    run.log.warn(`lessons of earlier jobs cannot be read: ${describeError(error)}`);
  }
  if (lessons.length > 0) await run.journal.append({ type: 'lessons-told', lessons });
  return lessons;
}

/** The lessons as every role reads them: texts of Claude's about other people's data, so as little an instruction as those; '' = none. */
export function tellLessons(lessons: readonly ToldLesson[]): string {
  if (lessons.length === 0) return '';
  const lines = lessons.map(({ claim, scope, helped, tried }, index) => {
    const record = tried === 0 ? 'not tried since' : `helped in ${helped} of ${tried} later jobs`;
    return `${index + 1}. ${oneLine(claim)} (for: ${oneLine(scope)}; ${record})`;
  });
  return fence('lessons of earlier jobs', lines.join('\n'), MOST_LESSONS_CHARS);
}

/** Keeps whether an idea that followed a lesson made something better. */
export async function noteOutcome(run: RunContext, { lessons }: Explored, lesson: number | null, helped: boolean): Promise<void> {
  const told = lesson === null ? undefined : lessons[lesson - 1];
  if (told === undefined) return;
  const place = { tenant: run.spec.tenant, lesson: told.id, jobId: run.spec.jobId };
  await keepOutcome(run.store, place, helped).catch((error: unknown) =>
    run.log.warn(`what became of a lesson could not be kept: ${describeError(error)}`),
  );
}

/**
 * After a change that gained more than twice its noise: asks for a lesson that holds elsewhere, and keeps it with what it rests on. A text = why nobody is
 * asked any more.
 */
export async function learnFrom(
  run: RunContext,
  task: Task,
  explored: Explored,
  { parent, graded, code }: { readonly parent: Parent; readonly graded: GradedSolution; readonly code: string },
): Promise<string | null> {
  const noise = pairedStandardError(graded.foldScores, parent.graded.foldScores);
  const gain = compareScores(task.metric, graded.score, parent.graded.score);
  const gainInErrors = graded.foldScores.length < 2 ? null : rateGain(gain, noise);
  if (explored.learned >= MOST_LESSONS_A_JOB || gainInErrors === null) return null;
  explored.learned += 1;
  const read = await explored.asker.ask(askLibrarian(parent, { number: graded.number, code }, gainInErrors));
  if (read.kind === 'closed') return read.reason;
  if (read.kind !== 'answer' || read.answer.kind !== 'lesson') return null;
  const { claim, scope } = { claim: oneLine(read.answer.claim), scope: oneLine(read.answer.scope) };
  const { profile } = task;
  const names = [
    ...profile.feature_columns,
    ...profile.id_columns,
    ...profile.targets.map(({ name }) => name),
    ...profile.tables.map(({ name }) => name),
  ];
  const refusal = findLocalName([claim, scope], [...names, run.spec.slug]);
  if (refusal !== null || claim === '' || scope === '') {
    run.log.info(`a lesson is not kept: ${refusal ?? 'it says nothing'}`);
    return null;
  }
  const lesson = {
    schemaVersion: 1 as const,
    claim,
    scope,
    fingerprint: takeFingerprint(profile, task.metric),
    evidence: { gainInErrors: Math.round(gainInErrors * 100) / 100, folds: graded.foldScores.length },
    at: run.clock.now().toISOString(),
  };
  await keepLesson(run.store, run.spec.tenant, lesson).then(
    () => run.log.info(`a lesson is kept for later jobs: ${claim}`),
    (error: unknown) => run.log.warn(`a lesson could not be kept: ${describeError(error)}`),
  );
  return null;
}

function oneLine(text: string): string {
  return cleanText(text.replaceAll('\n', ' ')).trim();
}
