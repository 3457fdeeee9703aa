import test from 'ava';
import { chooseFolds, describeEffects, listBlocks } from '#agent/search/ablate.ts';

test('blocks are read from the text: a line of their own, words only, six at most, each once', (t) => {
  t.deepEqual(listBlocks('import os\nBLOCKS = ("date parts", "text")\n'), ['date parts', 'text']);
  t.deepEqual(listBlocks("BLOCKS = [\n  'a',\n  'b',\n  'a',\n]\n"), ['a', 'b']);
  t.deepEqual(listBlocks('BLOCKS = ("a", "b", "c", "d", "e", "f", "g")'), ['a', 'b', 'c', 'd', 'e', 'f']);
  t.deepEqual(listBlocks('  BLOCKS = ("a",)\n# BLOCKS = ("b",)'), [], 'not within something else');
  t.deepEqual(listBlocks('BLOCKS = ("<data>", "a\\n", "")'), []);
  t.deepEqual(listBlocks(`BLOCKS = ("${'a'.repeat(600)}",)`), []);
  t.deepEqual(listBlocks('print("no blocks")'), []);
});

test('as many folds as its share of the time has room for; fewer than two are none', (t) => {
  const base = { folds: 5, blocks: 2, foldS: 1, atOnce: 2, leftS: 100 };
  t.is(chooseFolds(base), 5);
  t.is(chooseFolds({ ...base, foldS: 4 }), 2, 'one round of two folds a block: 8 of 15 seconds');
  t.is(chooseFolds({ ...base, foldS: 8 }), 0);
  t.is(chooseFolds({ ...base, foldS: 7, atOnce: 1 }), 0, 'one fold says nothing of noise');
  t.is(chooseFolds({ ...base, folds: 1, foldS: 7, atOnce: 1 }), 1, 'but where there is only one, it does');
  t.is(chooseFolds({ ...base, leftS: -5 }), 0);
});

test('effects are told with their noise, and what fails without a block by how it fails', (t) => {
  const effects = [
    { block: 'dates', gains: [0.2, 0.4], failure: null },
    { block: 'text', gains: [], failure: 'fold-0: the program failed (KeyError)' },
    { block: 'one', gains: [-0.5], failure: null },
  ];
  t.is(
    describeEffects(effects),
    [
      '"dates": worth 0.3 a fold (noise 0.1, 2 folds)',
      '"text": the program fails without it: fold-0: the program failed (KeyError)',
      '"one": worth -0.5 a fold (noise 0, 1 fold)',
    ].join('\n'),
  );
});
