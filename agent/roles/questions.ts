import type { Idea } from './replies.ts';
import type { Parent } from '../search/choose-parents.ts';
import type { Question } from './ask.ts';
import { fence } from './fence.ts';
import { ABLATION_READER, ANALYST, DEBUGGER, DRAFTER, FUSER, IMPROVER, LIBRARIAN, PLANNER, REVIEWER } from './prompts/roles.ts';

const PROGRAM_TOKENS = 16_000;
const PLAN_TOKENS = 4_000;
const SHORT_TOKENS = 2_000;
/** About ten thousand tokens of a cheap model, once a job. */
const MOST_PAGES_CHARS = 40_000;
const MOST_IDEA_CHARS = 2_000;
const MOST_FINDINGS_CHARS = 1_500;

/** Asks for the facts of long pages. */
export function askAnalyst(pages: string): Question {
  const text = `${ANALYST}\n\n${fence("all of the competition's pages", pages, MOST_PAGES_CHARS)}`;
  return { role: 'analyst', strength: 'cheap', text, kinds: ['notes', 'nothing'], maxTokens: PLAN_TOKENS };
}

/** Asks for ideas. `leftPercent`: of the time limit. It is told in three steps: more than that nobody plans by. */
export function askPlanner(leftPercent: number, soFar: string): Question {
  const left = leftPercent > 50 ? 'more than half' : leftPercent > 20 ? 'less than half' : 'little';
  const timeLeft = `Time that is left: ${left} of the whole.`;
  return {
    role: 'planner',
    strength: 'strong',
    text: `${PLANNER}\n\n${soFar}`,
    timeLeft,
    kinds: ['plan', 'nothing'],
    maxTokens: PLAN_TOKENS,
  };
}

/** Asks for an idea's program: from scratch without parents, a change of the first, or what joins two. `findings`: what readers held against the parents. */
export function askEngineer(
  idea: Pick<Idea, 'title' | 'hypothesis' | 'family'>,
  parents: readonly Parent[],
  findings: readonly string[],
  soFar: string,
): Question {
  const [first, second] = parents;
  const told = `The idea: ${fence('idea', `${idea.title}\n${idea.hypothesis}\n(${idea.family})`, MOST_IDEA_CHARS)}`;
  const held =
    findings.length === 0 ? '' : `\n\nA reader holds this against it: ${fence('findings', findings.join('\n'), MOST_FINDINGS_CHARS)}`;
  const common = { strength: 'strong', maxTokens: PROGRAM_TOKENS } as const;
  const end = (text: string): string => `${text}${held}\n\n${soFar}`;
  if (first === undefined) return { ...common, role: 'drafter', text: end(`${DRAFTER}\n\n${told}`), kinds: ['program', 'nothing'] };
  if (second === undefined) {
    const text = `${IMPROVER}\n\n${told}\n\n${showProgram(first, ', which it changes')}`;
    return { ...common, role: 'improver', text: end(text), kinds: ['program', 'patch', 'nothing'] };
  }
  const text = `${FUSER}\n\n${told}\n\n${showProgram(first, '')}\n\n${showProgram(second, '')}`;
  return { ...common, role: 'fuser', text: end(text), kinds: ['program', 'nothing'] };
}

function showProgram({ graded, code }: Parent, which: string): string {
  return `The program of solution ${graded.number}${which}:\n<program>\n${code}\n</program>`;
}

/** Asks for a program that failed to be mended. `said`: the last of what it printed. */
export function askDebugger(failure: string, said: string, code: string): Question {
  const text = `${DEBUGGER}\n\nHow it ended: ${fence('failure', failure, 600)}\n\nWhat it printed last: ${fence('output', said, 4_000)}\n\n<program>\n${code}\n</program>`;
  return { role: 'debugger', strength: 'cheap', text, kinds: ['program', 'patch', 'nothing'], maxTokens: PROGRAM_TOKENS };
}

/** Asks whether a program keeps the rules: it shows the program alone. */
export function askReviewer(code: string): Question {
  const text = `${REVIEWER}\n\n<program>\n${code}\n</program>`;
  return { role: 'reviewer', strength: 'cheap', text, kinds: ['findings', 'nothing'], maxTokens: SHORT_TOKENS };
}

/** Asks what a change taught. `gainInErrors`: how many times its own noise it gained. */
export function askLibrarian(parent: Parent, child: { readonly number: number; readonly code: string }, gainInErrors: number): Question {
  const gain = `It is better by ${gainInErrors.toFixed(1)} times the noise between folds.`;
  const after = `The program of solution ${child.number}:\n<program>\n${child.code}\n</program>`;
  const text = `${LIBRARIAN}\n\n${gain}\n\n${showProgram(parent, ', before the change')}\n\n${after}`;
  return { role: 'librarian', strength: 'cheap', text, kinds: ['lesson', 'nothing'], maxTokens: SHORT_TOKENS };
}

/** Asks what follows from what blocks are worth. */
export function askAblationReader(parent: Parent, effects: string): Question {
  const text = `${ABLATION_READER}\n\n${fence('blocks', effects, MOST_IDEA_CHARS)}\n\n${showProgram(parent, '')}`;
  return { role: 'ablation-reader', strength: 'strong', text, kinds: ['plan', 'nothing'], maxTokens: PLAN_TOKENS };
}
