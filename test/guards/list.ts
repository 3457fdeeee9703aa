/** One guard of the product, how it is taken away, and the test that notices. */
export interface Guard {
  readonly name: string;
  readonly file: string;
  /** Occurs once in the file. */
  readonly find: string;
  readonly replace: string;
  readonly test: string;
  /** A part of the test's title. */
  readonly title: string;
}

const EXPLORE = 'test/agent/claude/explore.test.ts';
const LEDGER = 'test/agent/budget/ledger.test.ts';
const CALLS = 'test/agent/budget/paid-call.test.ts';
const DISHONEST = 'test/agent/dishonest/dishonest.test.ts';

/** What stands between Claude, its programs and a wrong result. */
export const GUARDS: readonly Guard[] = [
  {
    name: 'no call beyond the cap',
    file: 'agent/budget/ledger.ts',
    find: 'if (!(held >= 0) || !fits(held)) return null;',
    replace: 'if (!(held >= 0)) return null;',
    test: LEDGER,
    title: 'no order of reserving and settling goes above the cap',
  },
  {
    name: 'what is set aside counts',
    file: 'agent/budget/ledger.ts',
    find: '      reserved += held;\n',
    replace: '      await Promise.resolve();\n      reserved += held;\n',
    test: LEDGER,
    title: 'of two who ask at once for the last dollar one gets it',
  },
  {
    name: 'an unknown cost is charged in full',
    file: 'agent/budget/ledger.ts',
    find: 'usd === null ? held :',
    replace: 'usd === null ? 0 :',
    test: LEDGER,
    title: 'an unknown end is charged in full',
  },
  {
    name: 'earlier attempts have spent, too',
    file: 'agent/budget/ledger.ts',
    find: 'let spent = Math.ceil(options.spentUsd * NANO);',
    replace: 'let spent = 0;',
    test: LEDGER,
    title: 'what earlier attempts spent or left open is not spent again',
  },
  {
    name: 'nothing is spent while storage is silent',
    file: 'agent/budget/paid-call.ts',
    find: 'limits.whyNot() ??',
    replace: '',
    test: CALLS,
    title: 'nothing is set aside or asked when storage is silent',
  },
  {
    name: 'a key that is refused ends Claude',
    file: 'agent/budget/paid-call.ts',
    find: "error.failure === 'key' ||",
    replace: '',
    test: CALLS,
    title: 'key is not tried again',
  },
  {
    name: 'no wait beyond the time that is left',
    file: 'agent/budget/paid-call.ts',
    find: 'if (waitMs / 1000 >= limits.leftS())',
    replace: 'if (waitMs < 0)',
    test: CALLS,
    title: 'a wait that is longer than the time that is left is not begun',
  },
  {
    name: 'fences cannot be closed from inside',
    file: 'agent/roles/fence.ts',
    find: ".replaceAll(/<(\\/?)data/gi, '<$1 data')",
    replace: '',
    test: 'test/agent/claude/injections.test.ts',
    title: 'a fence cannot be closed from inside',
  },
  {
    name: 'an edit has one place',
    file: 'agent/roles/apply-edits.ts',
    find: 'if (changed.indexOf(find, at + 1) >= 0)',
    replace: 'if (at < 0)',
    test: 'test/agent/roles/apply-edits.test.ts',
    title: 'texts that overlap themselves occur more than once',
  },
  {
    name: 'a reply that was cut is no answer',
    file: 'agent/roles/ask.ts',
    find: "if (end === 'cut') return",
    replace: "if (end === 'refused') return",
    test: EXPLORE,
    title: 'code that was cut off is never run',
  },
  {
    name: 'an answer has a kind that was asked for',
    file: 'agent/roles/ask.ts',
    find: 'if (!kinds.includes(answer.kind)) return',
    replace: 'if (kinds.length === 0) return',
    test: EXPLORE,
    title: 'a kind that nobody asked for',
  },
  {
    name: 'an answer belongs to its question',
    file: 'agent/roles/ask.ts',
    find: 'known.requestSha256 !== requestSha256',
    replace: "requestSha256 === ''",
    test: 'test/agent/claude/resume.test.ts',
    title: 'a stored answer is used for its own question',
  },
  {
    name: 'a stored answer has the bytes that were stored',
    file: 'agent/roles/ask.ts',
    find: 'hash(bytes) !== known.sha256',
    replace: "known.sha256 === ''",
    test: 'test/agent/claude/resume.test.ts',
    title: 'a stored answer is used for its own question',
  },
  {
    name: 'programs that carry answers are refused',
    file: 'agent/search/try-program.ts',
    find: 'return reason === null ? null : `the program is refused: ${reason}`;',
    replace: 'return reason === null ? null : null;',
    test: EXPLORE,
    title: 'a program that carries answers is refused and never run',
  },
  {
    name: 'long literals are looked for',
    file: 'agent/python/kaggle_harness/program_rules.py',
    find: 'def find_carried_answers(task: Task, path: Path) -> str | None:\n',
    replace:
      'def find_carried_answers(task: Task, path: Path) -> str | None:\n    return None\n\n\ndef _unused(task: Task, path: Path) -> str | None:\n',
    test: DISHONEST,
    title: 'a program that holds a dictionary from id to label',
  },
  {
    name: 'a generated program is probed before it is the best',
    file: 'agent/search/try-program.ts',
    find: 'mayBeBest && lacksProbes(measured) ?',
    replace: 'mayBeBest && measured.number < 0 ?',
    test: EXPLORE,
    title: 'Claude plans, drafts, improves the best',
  },
  {
    name: 'one that was not probed is never chosen',
    file: 'agent/search/scoreboard.ts',
    find: "return solution.kind === 'generated' && !isProbed(solution);",
    replace: 'return false;',
    test: 'test/agent/search/scoreboard.test.ts',
    title: 'a suspect solution is not chosen by its score, nor a generated one without probes',
  },
  {
    name: 'a suspect one is never chosen',
    file: 'agent/search/scoreboard.ts',
    find: "return report.trust?.verdict === 'suspect';",
    replace: 'return report.trust?.verdict === undefined && report.number < 0;',
    test: 'test/agent/trust.test.ts',
    title: 'a suspect solution is neither the best nor part of the blend',
  },
  {
    name: 'a gain counts beyond its noise',
    file: 'agent/search/scoreboard.ts',
    find: 'return gain > pairedStandardError(challenger.foldScores, best.foldScores);',
    replace: 'return gain > 0;',
    test: 'test/agent/search/scoreboard.test.ts',
    title: 'between models a gain counts only beyond its paired noise',
  },
  {
    name: 'ideas that help nothing end the search',
    file: 'agent/phases/explore.ts',
    find: 'if (explored.fruitless >= STOP_AFTER)',
    replace: 'if (explored.fruitless < 0)',
    test: EXPLORE,
    title: 'ideas that help nothing end the search',
  },
  {
    name: 'the same failure twice ends an idea',
    file: 'agent/phases/explore.ts',
    find: 'failure === failureBefore ||',
    replace: '',
    test: EXPLORE,
    title: 'the same failure twice, or three repairs, end an idea',
  },
  {
    name: 'a family is drafted once',
    file: 'agent/phases/explore.ts',
    find: "return kind === 'improve' || !families.has(plainFamily(family));",
    replace: "return kind === 'improve' || !families.has('');",
    test: EXPLORE,
    title: 'a family that was drafted is not drafted again',
  },
  {
    name: 'no generated code where the sandbox does not hold',
    file: 'agent/phases/explore.ts',
    find: ' || !run.sandbox.generatedCode.accepted',
    replace: '',
    test: EXPLORE,
    title: 'nobody is asked where generated code may not run',
  },
  {
    name: 'what a handed-over program is refused for',
    file: 'agent/phases/execute.ts',
    find: 'if (!generatedCode.accepted) return',
    replace: 'if (generatedCode === null) return',
    test: 'test/agent/trust.test.ts',
    title: 'generated programs are refused where the sandbox was not tried',
  },
  {
    name: 'large folds: a sample first',
    file: 'agent/search/try-program.ts',
    find: "const sample = probes.find(({ kind }) => kind === 'control');",
    replace: "const sample = probes.find(({ kind }) => kind === 'control' && probes.length > 99);",
    test: EXPLORE,
    title: 'with large folds a program is tried on a sample first',
  },
  {
    name: 'one program gets a share of the time',
    file: 'agent/search/try-program.ts',
    find: 'const SHARE = 1 / 3;',
    replace: 'const SHARE = 1;',
    test: EXPLORE,
    title: 'one that may run gets a share of the time',
  },
  {
    name: 'the finalization reserve',
    file: 'agent/deadline.ts',
    find: 'workS: () => remainingS() - reserveS(),',
    replace: 'workS: () => remainingS(),',
    test: 'test/agent/time-limit.test.ts',
    title: 'a program that would end inside the finalization reserve is given up',
  },
  {
    name: 'one claim an attempt',
    file: 'agent/run.ts',
    find: 'await claimAttempt(store, spec.jobId, spec.attempt, params.identity);',
    replace: 'await Promise.resolve(claimAttempt);',
    test: 'test/agent/run.test.ts',
    title: 'a process that lost the claim ends with 76 and stores nothing',
  },
  {
    name: 'a result is what was scored: its program by hash',
    file: 'cli/commands/reproduce.ts',
    find: "if (createHash('sha256').update(bytes).digest('hex') !== sha256)",
    replace: "if (createHash('sha256').update(bytes).digest('hex') === '')",
    test: 'test/cli/reproduce.test.ts',
    title: 'the best solution runs once more, to the same bytes',
  },
];
