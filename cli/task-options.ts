import { Option } from 'commander';
import type { Command } from 'commander';

/** What a person says of the task, instead of what the agent would find out. */
export interface TaskFlags {
  readonly shape?: 'rows' | 'groups' | 'time' | 'panel';
  readonly groupColumn?: string;
  readonly timeColumn?: string;
  readonly oneRowAtATime?: boolean;
  readonly allowDataLeaks?: boolean;
}

/** Adds the options that say what the task is. */
export function addTaskOptions(command: Command): Command {
  return command
    .addOption(new Option('--shape <shape>', 'what a fold cuts; found out by default').choices(['rows', 'groups', 'time', 'panel']))
    .option('--group-column <name>', 'names the entity whose rows stay together')
    .option('--time-column <name>', 'orders the rows in time')
    .option('--one-row-at-a-time', 'the competition hands out its test rows one at a time')
    .option('--allow-data-leaks', 'give solutions also the columns that tell the answers');
}

/** The `task` member of a request; undefined when no option was given. */
export function readTaskFlags(flags: TaskFlags): Record<string, unknown> | undefined {
  const task = {
    shape: flags.shape,
    group_column: flags.groupColumn,
    time_column: flags.timeColumn,
    one_row_at_a_time: flags.oneRowAtATime,
    allow_data_leaks: flags.allowDataLeaks,
  };
  return Object.values(task).every((value) => value === undefined) ? undefined : task;
}
