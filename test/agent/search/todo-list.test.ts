import test from 'ava';
import { createTodoList, describeTodos } from '#agent/search/todo-list.ts';
import type { TodoRules } from '#agent/search/todo-list.ts';
import type { Idea } from '#agent/roles/replies.ts';

const ANY: TodoRules = { refuse: () => null };

function idea(title: string, change: Partial<Idea> = {}): Idea {
  const base = { hypothesis: 'h', family: title, kind: 'draft' as const, expected_gain: 0.1, relative_cost: 1, after: [], lesson: null };
  return { ...base, title, ...change };
}

const titles = (list: ReturnType<typeof createTodoList>): string[] => list.items().map((item) => item.idea.title);

test('ideas come one after the other, and what has ended stays as it ended', (t) => {
  const list = createTodoList();
  t.is(list.add([idea('a'), idea('b')], 'planner', ANY), 2);
  const first = list.next();
  t.is(first?.idea.title, 'a');
  list.end(1, { how: 'failed', why: 'a bug', solution: null });
  list.end(1, { how: 'helped', why: '', solution: 9 });
  t.is(list.items()[0]?.end?.how, 'failed', 'the first end stays');
  t.is(list.next()?.idea.title, 'b');
  t.is(
    list.drop('planned anew', () => true),
    1,
  );
  t.is(list.items()[0]?.end?.how, 'failed');
  t.is(list.next(), null);
});

test('a new plan drops, adds and reorders what is open; what others want stays, and a person comes first', (t) => {
  const list = createTodoList();
  list.add([idea('a'), idea('b')], 'planner', ANY);
  list.add([idea('mine')], 'person', ANY);
  list.add([idea('block', { kind: 'improve' })], 'ablation', ANY, 'first');
  t.is(list.next()?.idea.title, 'mine');
  t.is(
    list.drop('planned anew', ({ origin }) => origin === 'planner'),
    2,
  );
  list.add([idea('c'), idea('a')], 'planner', ANY);
  list.end(3, { how: 'helped', why: '', solution: 4 });
  const order: string[] = [];
  for (let item = list.next(); item !== null; item = list.next()) {
    order.push(item.idea.title);
    list.end(item.id, { how: 'did not help', why: '', solution: item.id });
  }
  t.deepEqual(order, ['block', 'c', 'a']);
});

test('an idea waits for those that it names, and is dropped when they lead to nothing', (t) => {
  const list = createTodoList();
  list.add([idea('second', { after: ['First!'] }), idea('third', { after: ['second'] }), idea('first')], 'planner', ANY);
  t.deepEqual(titles(list), ['first', 'second', 'third']);
  t.is(list.next()?.idea.title, 'first');
  list.end(1, { how: 'did not help', why: '', solution: 3 });
  t.is(list.next()?.idea.title, 'second', 'a program came of the first');
  list.end(2, { how: 'failed', why: 'no patch', solution: null });
  t.is(list.next(), null);
  t.like(list.items()[2]?.end, { how: 'dropped', why: 'what it waits for led to nothing' });
});

test('what waits in a circle or for something unknown is not taken', (t) => {
  const list = createTodoList();
  const circle = [idea('a', { after: ['b'] }), idea('b', { after: ['a'] }), idea('c', { after: ['c'] }), idea('d', { after: ['b'] })];
  t.is(list.add(circle, 'planner', ANY), 0);
  t.is(list.add([idea('e', { after: ['nobody knows'] }), idea('f')], 'planner', ANY), 1);
  t.deepEqual(titles(list), ['f']);
});

test('the same title, and two drafts of one family, are one idea', (t) => {
  const list = createTodoList();
  list.add([idea('A b', { family: 'trees' }), idea('a-B', { kind: 'improve' }), idea('other', { family: 'Trees' })], 'planner', ANY);
  t.deepEqual(titles(list), ['A b']);
  t.is(list.add([idea('x', { kind: 'improve', family: 'trees' })], 'planner', ANY), 1, 'an improvement may be of any family');
});

test('what the rules refuse is not taken, and the list has an end', (t) => {
  const list = createTodoList();
  t.is(list.add([idea('a')], 'planner', { refuse: () => 'no' }), 0);
  t.is(
    list.add(
      Array.from({ length: 300 }, (_, i) => idea(`idea ${i}`)),
      'planner',
      ANY,
    ),
    200,
  );
});

test('it is told in lines: open ones first, then the newest ends, cut', (t) => {
  const list = createTodoList();
  list.add([idea('a'), idea('b'), idea('c')], 'planner', ANY);
  list.add([idea('mine\nand more')], 'person', ANY);
  list.end(1, { how: 'helped', why: '', solution: 3 });
  list.end(2, { how: 'dropped', why: 'planned anew', solution: null });
  t.is(
    describeTodos(list.items(), 1_000),
    'draft "c": open\ndraft "mine and more", wanted by the person: open\ndraft "b": dropped: planned anew\ndraft "a": helped as #3',
  );
  t.is(describeTodos(list.items(), 30), 'draft "c": open\nand 3 more');
});
