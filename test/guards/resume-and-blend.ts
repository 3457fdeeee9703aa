import type { Guard } from './guard.ts';

const CLOCK = 'test/agent/claude/clock.test.ts';
const TREE = 'an attempt that ends anywhere is gone on with to the same tree, which the clock ends';

/** What makes a later attempt go a dead one's way, and what a blend is made of. */
export const RESUME_AND_BLEND_GUARDS: readonly Guard[] = [
  {
    name: 'a resumed attempt decides by the time that there was then',
    file: 'agent/roles/ask.ts',
    find: 'leftS: known.leftS };',
    replace: 'leftS: null };',
    test: CLOCK,
    title: TREE,
  },
  {
    name: "shares and reserve are of the job's own limit",
    file: 'agent/run.ts',
    find: 'deadline.adoptLimit(earlierState.limitS ?? spec.remainingS);',
    replace: 'deadline.adoptLimit(spec.remainingS);',
    test: CLOCK,
    title: TREE,
  },
  {
    name: 'an answered question is not asked anew because the time is shorter',
    file: 'agent/roles/ask.ts',
    find: "writeRequest(run, system, question, '')",
    replace: "writeRequest(run, system, question, question.timeLeft ?? '')",
    test: CLOCK,
    title: TREE,
  },
  {
    name: 'recipes leave half of the time to Claude',
    file: 'agent/phases/execute.ts',
    find: 'leftS < CLAUDE_SHARE * run.deadline.limitS()',
    replace: 'leftS < 0',
    test: CLOCK,
    title: 'recipes leave half of the time to Claude',
  },
  {
    name: 'a resumed attempt tells Claude of no solution that came after its turn began',
    file: 'agent/phases/explore.ts',
    find: 'run.earlier.explored ?? reports.filter',
    replace: 'reports.filter',
    test: CLOCK,
    title: 'recipes leave half of the time to Claude',
  },
  {
    name: 'no part in a blend for what is clearly worse',
    file: 'agent/python/kaggle_harness/blend.py',
    find: 'kept = keep_members(*_cost_parts(task, spaced, parts), families)',
    replace: 'kept = np.arange(count)',
    test: 'test/agent/python/blend.test.ts',
    title: 'what is clearly worse than the best has no part in a blend',
  },
  {
    name: 'with one block of time nothing is chosen by the rows that are scored',
    file: 'agent/python/kaggle_harness/blend.py',
    find: 'if folds.count > 1 else []',
    replace: '',
    test: 'test/agent/python/blend.test.ts',
    title: 'with a single block of time',
  },
  {
    name: 'a person who wants it to finish ends the search of settings',
    file: 'agent/phases/vary.ts',
    find: 'await run.steering.poll();',
    replace: 'await Promise.resolve();',
    test: 'test/agent/vary.test.ts',
    title: 'a person who asks it to finish ends the search of settings',
  },
  {
    name: 'programs near the best are probed while there is time',
    file: 'agent/phases/execute.ts',
    find: '  await probeMembers(run, task, search);\n',
    replace: '',
    test: CLOCK,
    title: 'is probed when the turn ends',
  },
  {
    name: 'few folds tell little between a blend and a single model',
    file: 'agent/search/scoreboard.ts',
    find: 'STUDENT_T[blend.foldScores.length - 2] ?? STUDENT_T_OF_MANY',
    replace: 'STUDENT_T_OF_MANY',
    test: 'test/agent/search/scoreboard.test.ts',
    title: 'the fewer folds there are, the less they can tell',
  },
  {
    name: 'a fold in flight is predicted by what it has left',
    file: 'agent/search/run-folds.ts',
    find: '(run.clock.monotonicMs() - startMs) / 1000',
    replace: '0',
    test: 'test/agent/time-limit.test.ts',
    title: 'a fold that is in flight is predicted by what it has left',
  },
];
