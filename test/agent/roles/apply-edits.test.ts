import test from 'ava';
import { applyEdits } from '#agent/roles/apply-edits.ts';

const CODE = 'a = 1\nb = 2\na = 1\n';

test('edits are made in order, each in what the one before left', (t) => {
  const edits = [
    { find: 'b = 2', replace: 'b = 3' },
    { find: 'b = 3\na = 1', replace: 'c = $& $1' },
  ];
  t.deepEqual(applyEdits(CODE, edits), { ok: true, code: 'a = 1\nc = $& $1\n' });
});

for (const [find, reason] of [
  ['z = 9', 'does not occur'],
  ['a = 1', 'occurs more than once'],
  ['', 'does not occur'],
] as const) {
  test(`an edit that does not fit changes nothing: "${find}" ${reason}`, (t) => {
    const outcome = applyEdits(CODE, [
      { find: 'b = 2', replace: 'b = 3' },
      { find, replace: 'x' },
    ]);
    t.deepEqual(outcome, { ok: false, reason: `edit 2: its text ${reason} in the program` });
  });
}

test('texts that overlap themselves occur more than once', (t) => {
  t.false(applyEdits('aaa', [{ find: 'aa', replace: 'b' }]).ok);
});
