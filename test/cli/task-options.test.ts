import { Command } from 'commander';
import test from 'ava';
import { addTaskOptions, readTaskFlags } from '#cli/task-options.ts';

test('the options of the command line become the members of a request, and none of them becomes none', (t) => {
  const parse = (...words: string[]) =>
    readTaskFlags(
      addTaskOptions(new Command())
        .parse(['node', 'x', ...words])
        .opts(),
    );
  t.is(parse(), undefined);
  t.like(parse('--shape', 'panel', '--time-column', 'week', '--one-row-at-a-time', '--allow-data-leaks'), {
    shape: 'panel',
    group_column: undefined,
    time_column: 'week',
    one_row_at_a_time: true,
    allow_data_leaks: true,
  });
});
