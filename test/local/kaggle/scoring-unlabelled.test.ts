import test from 'ava';
import { parsePoints, scoreProgram, scoreTour } from '#local/kaggle/scoring-unlabelled.ts';
import { SubmissionInvalid } from '#local/kaggle/scoring.ts';

const points = parsePoints('stop,x,y\n0,0,0\n1,0,3\n2,4,3\n', 'stop');
const tour = (...stops: (number | string)[]) => Buffer.from(`stop\n${stops.join('\n')}\n`);

test('a round trip is as long as its ways together', (t) => {
  t.deepEqual(scoreTour(tour(0, 1, 2, 0), points), { publicScore: 12, privateScore: 12 });
});

for (const [title, bytes, message] of [
  ['a stop too few', tour(0, 1, 0), /must have 4 rows/],
  ['a stop twice', tour(0, 1, 1, 0), /exactly once/],
  ['another start', tour(1, 0, 2, 1), /begin and end at 0/],
  ['an unknown stop', tour(0, 1, 'x', 0), /Unexpected point 'x'/],
  ['two columns', Buffer.from('stop,y\n0,1\n'), /one column/],
] as const) {
  test(`a file that is no round trip is refused in words: ${title}`, (t) => {
    t.throws(() => scoreTour(bytes, points), { instanceOf: SubmissionInvalid, message });
  });
}

test('a program is taken without a score, a text without a function is not', (t) => {
  t.deepEqual(scoreProgram(Buffer.from('def act(board, mark):\n    return 0\n')), { publicScore: null, privateScore: null });
  t.throws(() => scoreProgram(Buffer.from('hello')), { instanceOf: SubmissionInvalid });
});
