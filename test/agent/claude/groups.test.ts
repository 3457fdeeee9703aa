import { readFile } from 'node:fs/promises';
import test from 'ava';

const CLAUDE = 'test/agent/claude';

/** What Claude and its programs may do wrong, and the tests of it: file and the beginning of a title, or of its template. */
const GROUPS: Readonly<Record<string, readonly (readonly [file: string, title: string])[]>> = {
  'a good script, end to end': [
    [`${CLAUDE}/golden.test.ts`, 'a whole run asks, word for word'],
    [`${CLAUDE}/real.test.ts`, 'real programs: an idea that truly helps becomes the best'],
  ],
  'bad replies': [
    [`${CLAUDE}/explore.test.ts`, 'a bad answer is asked for once more'],
    [`${CLAUDE}/explore.test.ts`, 'a refusal, and two bad answers, are no answer'],
    [`${CLAUDE}/explore.test.ts`, 'code that was cut off is never run'],
    ['test/adapters/claude/client.test.ts', 'a tool instead of an answer is cut'],
  ],
  transport: [
    [`${CLAUDE}/explore.test.ts`, 'busy times are waited out, and a broken connection is charged in full'],
    ['test/adapters/claude/client.test.ts', 'a call that hangs ends when its time is over'],
    [`${CLAUDE}/explore.test.ts`, '${title} ends Claude at once, and the recipes go on'],
  ],
  'faults of code': [
    [`${CLAUDE}/explore.test.ts`, 'a program that fails is mended by the cheap model'],
    ['test/agent/sandbox/process-sandbox.test.ts', 'a child that outlives its parent'],
  ],
  'dishonest code': [['test/agent/dishonest/dishonest.test.ts', 'a program that ${cheat.name} gets nothing by it']],
  'the direction of the metric': [
    [`${CLAUDE}/explore.test.ts`, 'whatever Claude says of the metric, its direction stays'],
    ['test/agent/search/scoreboard.test.ts', 'scores that are no numbers never win'],
  ],
  budgets: [
    ['test/agent/budget/ledger.test.ts', 'no order of reserving and settling goes above the cap'],
    ['test/agent/time-limit.test.ts', 'a program that would end inside the finalization reserve is given up'],
  ],
  loops: [
    [`${CLAUDE}/explore.test.ts`, 'the same failure twice, or three repairs, end an idea'],
    [`${CLAUDE}/explore.test.ts`, 'ideas that help nothing end the search'],
    [`${CLAUDE}/explore.test.ts`, 'a family that was drafted is not drafted again'],
  ],
  crashes: [
    [`${CLAUDE}/resume.test.ts`, 'an attempt that ends anywhere is gone on with'],
    [`${CLAUDE}/resume.test.ts`, 'a stored answer is used for its own question only'],
  ],
  caching: [[`${CLAUDE}/caching.test.ts`, 'in a run of twenty calls at least 70 % of the input of each model']],
  injection: [[`${CLAUDE}/injections.test.ts`, 'a text that gives orders stays data']],
  planning: [
    ['test/agent/search/todo-list.test.ts', 'a new plan drops, adds and reorders what is open'],
    ['test/agent/search/todo-list.test.ts', 'what waits in a circle or for something unknown is not taken'],
    [`${CLAUDE}/explore.test.ts`, 'an idea that would take longer than there is time is not taken'],
    [`${CLAUDE}/steering.test.ts`, 'a veto drops what is on the list already'],
  ],
  memory: [['test/agent/roles/digest.test.ts', 'two hundred solutions stay under the length']],
  hardware: [
    [`${CLAUDE}/explore.test.ts`, 'hardware: a program that ran out of memory'],
    ['test/core/attempt-policy.test.ts', 'out of memory comes back with half as much again'],
  ],
  lessons: [
    [`${CLAUDE}/lessons.test.ts`, 'a lesson of one job is in the next one’s plan'],
    ['test/agent/knowledge/library.test.ts', 'what was changed, is too large or no lesson is passed over'],
  ],
  dependencies: [[`${CLAUDE}/explore.test.ts`, 'dependencies: a package that is not here is not installed']],
  submissions: [['test/agent/python/validator.test.ts', 'a broken rule makes a file of the form']],
  'several workers': [
    [`${CLAUDE}/workers.test.ts`, 'whatever the order in which two workers finish'],
    ['test/agent/search/turns.test.ts', 'two workers that finish out of order come to the same'],
  ],
};

test('each of the eighteen groups of behaviours has its tests', async (t) => {
  t.is(Object.keys(GROUPS).length, 18);
  for (const [group, tests] of Object.entries(GROUPS)) {
    t.true(tests.length > 0, group);
    for (const [file, title] of tests) {
      const text = await readFile(new URL(`../../../${file}`, import.meta.url), 'utf8');
      t.true(
        ['test', 'test.serial'].some((call) => ["'", '`', '"'].some((quote) => text.includes(`${call}(${quote}${title}`))),
        `${group}: ${file}: ${title}`,
      );
    }
  }
});
