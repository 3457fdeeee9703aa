import test from 'ava';
import { chooseRecipes, loadRecipes } from '#agent/search/recipes.ts';
import type { TaskProfile } from '#agent/evaluate/harness-protocol.ts';
import { PROFILE } from '#test/_support/agent-parts.ts';

const [TARGET] = PROFILE.targets;

async function listOrder(change: Partial<TaskProfile>): Promise<string[]> {
  return chooseRecipes(await loadRecipes(), { ...PROFILE, ...change }).map(({ name }) => name);
}

function withClasses(count: number): Partial<TaskProfile> {
  if (TARGET === undefined) throw new Error('the profile has a target');
  return { targets: [{ ...TARGET, type: 'multiclass', classes: Array.from({ length: count }, (_, i) => `c${i}`) }] };
}

test('a linear model is first, then boosting, then what is dearer', async (t) => {
  const order = await listOrder({});
  t.deepEqual(order.slice(0, 2), ['linear-fast', 'gradient-boosting-fast']);
  t.true(order.indexOf('gradient-boosting') > order.indexOf('xgboost-shallow'));
  t.false(
    order.some((name) => name.startsWith('text-')),
    'there is no text',
  );
});

test('with many classes what grows a tree a class comes last', async (t) => {
  const [few, many] = [await listOrder(withClasses(10)), await listOrder(withClasses(11))];
  t.is(few[1], 'gradient-boosting-fast');
  t.deepEqual(many.slice(0, 2), ['linear-fast', 'extra-trees']);
  t.deepEqual(new Set(many.slice(-3)), new Set(['gradient-boosting-fast', 'xgboost-shallow', 'gradient-boosting']));
});

test('programs for texts come second where there is nothing but text, and after boosting where there is', async (t) => {
  const columns = { note: 'text', x: 'numeric' } as const;
  const [alone, beside] = [
    await listOrder({ feature_columns: ['note'], column_types: columns }),
    await listOrder({ feature_columns: ['note', 'x'], column_types: columns }),
  ];
  t.deepEqual(alone.slice(0, 3), ['linear-fast', 'text-linear-fast', 'text-linear']);
  t.deepEqual(beside.slice(0, 3), ['linear-fast', 'gradient-boosting-fast', 'text-linear-fast']);
});
