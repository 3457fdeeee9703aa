import test from 'ava';
import { predictRest } from '#agent/search/predict-rest.ts';

for (const [name, left, wanted] of [
  ['one at a time', { toCome: 3, beside: [], atOnce: 1 }, 30],
  ['none to come, none beside', { toCome: 0, beside: [], atOnce: 2 }, 0],
  ['the last one is halfway', { toCome: 0, beside: [5], atOnce: 2 }, 5],
  ['the one beside ends now, two to come', { toCome: 2, beside: [10], atOnce: 2 }, 10],
  ['the one beside has just begun, two to come', { toCome: 2, beside: [0], atOnce: 2 }, 20],
  ['the one beside took longer than the mean', { toCome: 1, beside: [25], atOnce: 2 }, 10],
  ['three places', { toCome: 3, beside: [4, 8], atOnce: 3 }, 16],
] as const) {
  test(`the time until the last run ends: ${name}`, (t) => {
    t.is(predictRest({ meanS: 10, ...left }), wanted);
  });
}
