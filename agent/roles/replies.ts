import { z } from 'zod';

/** One thing worth trying. `family`: what kind of approach it is, in a word or two; ideas of the same family are not tried twice as drafts. */
export const Idea = z.strictObject({
  title: z.string(),
  hypothesis: z.string(),
  family: z.string(),
  kind: z.enum(['draft', 'improve', 'fuse', 'ablate']),
  /** By how much of the way from the best score to a perfect one, as the planner sees it: 0 to 1. */
  expected_gain: z.number(),
  /** Against the slowest program so far. */
  relative_cost: z.number(),
  /** Titles of ideas that must have led to a program before this one is tried. */
  after: z.array(z.string()),
  /** The lesson of earlier jobs that it follows, as it is numbered in the question; null = none. */
  lesson: z.int().nullable(),
});
export type Idea = z.infer<typeof Idea>;

const Plan = z.strictObject({ kind: z.literal('plan'), ideas: z.array(Idea) });
const Program = z.strictObject({
  kind: z.literal('program'),
  title: z.string(),
  hypothesis: z.string(),
  family: z.string(),
  code: z.string(),
});
const Patch = z.strictObject({
  kind: z.literal('patch'),
  title: z.string(),
  hypothesis: z.string(),
  edits: z.array(z.strictObject({ find: z.string(), replace: z.string() })),
});
/** What somebody who read everything tells the others. */
const Notes = z.strictObject({ kind: z.literal('notes'), facts: z.array(z.string()) });
/** What a reader of a program holds against it. */
const Findings = z.strictObject({
  kind: z.literal('findings'),
  findings: z.array(z.strictObject({ about: z.enum(['leak', 'contract']), what: z.string() })),
});
/** What a change taught that holds elsewhere, too. `scope`: where it should hold. */
const Lesson = z.strictObject({ kind: z.literal('lesson'), claim: z.string(), scope: z.string() });
const Nothing = z.strictObject({ kind: z.literal('nothing'), reason: z.string() });

/** Everything that Claude can answer with, whatever its role: code for the sandbox, or ideas. There is no action besides. */
export const Reply = z.strictObject({ answer: z.discriminatedUnion('kind', [Plan, Program, Patch, Notes, Findings, Lesson, Nothing]) });
export type Reply = z.infer<typeof Reply>;
export type Answer = Reply['answer'];
export type AnswerKind = Answer['kind'];

/** The same as JSON Schema. One for all roles: another schema would make the provider read everything anew. */
export const REPLY_SCHEMA: Readonly<Record<string, unknown>> = z.toJSONSchema(Reply, { target: 'draft-7' });

const MAX_CODE_CHARS = 60_000;
const MAX_WORDS = 600;
const MAX_IDEAS = 12;
const MAX_EDITS = 40;
const MAX_FACTS = 20;
const MAX_FACT_CHARS = 300;
const MAX_FINDINGS = 5;
const MAX_CLAIM_CHARS = 300;
const MAX_AFTER = 3;

/** What is wrong with an answer that has the right form, in a sentence for Claude; null = nothing. */
export function findFault(answer: Answer): string | null {
  if (answer.kind === 'nothing') return null;
  if (answer.kind === 'plan') {
    if (answer.ideas.length === 0 || answer.ideas.length > MAX_IDEAS) return `a plan has 1 to ${MAX_IDEAS} ideas`;
    const long = answer.ideas.find(({ title, hypothesis, family }) => title.length + hypothesis.length + family.length > 3 * MAX_WORDS);
    if (long !== undefined) return `title, hypothesis and family of an idea have at most ${MAX_WORDS} characters each`;
    const numbers = answer.ideas.flatMap((idea) => [idea.expected_gain, idea.relative_cost]);
    if (!numbers.every((value) => value >= 0 && value <= 1_000)) return 'expected_gain and relative_cost are numbers of 0 or more';
    return answer.ideas.every(({ after }) => after.length <= MAX_AFTER) ? null : `an idea comes after at most ${MAX_AFTER} others`;
  }
  if (answer.kind === 'notes') {
    if (answer.facts.length > MAX_FACTS) return `notes have at most ${MAX_FACTS} facts`;
    return answer.facts.every((fact) => fact.length <= MAX_FACT_CHARS) ? null : `a fact has at most ${MAX_FACT_CHARS} characters`;
  }
  if (answer.kind === 'findings') {
    const fits = answer.findings.length <= MAX_FINDINGS && answer.findings.every(({ what }) => what.length <= MAX_FACT_CHARS);
    return fits ? null : `there are at most ${MAX_FINDINGS} findings of at most ${MAX_FACT_CHARS} characters each`;
  }
  if (answer.kind === 'lesson') {
    const texts = [answer.claim, answer.scope];
    return texts.every((text) => text.trim() !== '' && text.length <= MAX_CLAIM_CHARS)
      ? null
      : `claim and scope of a lesson have 1 to ${MAX_CLAIM_CHARS} characters each`;
  }
  if (answer.title.trim() === '' || answer.title.length > 200 || answer.hypothesis.length > 3 * MAX_WORDS) {
    return 'a title has 1 to 200 characters, a hypothesis at most 1,800';
  }
  if (answer.kind === 'program') {
    if (answer.code.length > MAX_CODE_CHARS) return `a program has at most ${MAX_CODE_CHARS} characters`;
    return answer.code.includes('scores.csv') ? null : 'the program never names scores.csv, the file that it has to write';
  }
  return answer.edits.length > 0 && answer.edits.length <= MAX_EDITS ? null : `a patch has 1 to ${MAX_EDITS} edits`;
}
