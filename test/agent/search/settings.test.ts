import test from 'ava';
import { drawSetting, Space } from '#agent/search/settings.ts';

const SPACE = Space.parse({
  rate: { low: 0.01, high: 1, scale: 'log' },
  leaves: { low: 4, high: 64, scale: 'log', whole: true },
  share: { low: 0.2, high: 0.9 },
  extra: { choices: [false, true] },
});
const drawn = Array.from({ length: 200 }, (_, index) => drawSetting(SPACE, `job ${index}`));
const numbers = (name: string) => drawn.map((setting) => Number(setting[name])).toSorted((left, right) => left - right);

test('settings lie in their space and go through all of it, evenly or evenly in the logarithm', (t) => {
  const [rates, leaves, shares] = [numbers('rate'), numbers('leaves'), numbers('share')];
  t.true((rates[0] ?? 0) >= 0.01 && (rates.at(-1) ?? 9) <= 1);
  t.true(Math.abs((rates[100] ?? 0) - 0.1) < 0.04, `the middle of the logarithms: ${rates[100]}`);
  t.true(leaves.every((value) => Number.isInteger(value) && value >= 4 && value <= 64));
  t.true(Math.abs((shares[100] ?? 0) - 0.55) < 0.08);
  t.is(new Set(drawn.map(({ extra }) => extra)).size, 2);
});

test('a setting depends on its seed alone, and a parameter on its own name', (t) => {
  t.deepEqual(drawSetting(SPACE, 'a'), drawSetting(SPACE, 'a'));
  t.notDeepEqual(drawSetting(SPACE, 'a'), drawSetting(SPACE, 'b'));
  const { rate } = SPACE;
  t.is(drawSetting(rate === undefined ? {} : { rate }, 'a')['rate'], drawSetting(SPACE, 'a')['rate']);
});
