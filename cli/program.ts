import { Command, InvalidArgumentError, Option } from 'commander';
import { cancelCommand } from './commands/cancel.ts';
import { instructCommand } from './commands/instruct.ts';
import { describeCommand, listCommand } from './commands/list.ts';
import { logsCommand } from './commands/logs.ts';
import { resultCommand } from './commands/result.ts';
import { submitCommand } from './commands/submit.ts';
import { watchCommand } from './commands/watch.ts';
import type { CommandContext } from './context.ts';
import type { OutputFormat } from './output.ts';
import { addTaskOptions } from './task-options.ts';
import { openContext } from './context.ts';

type Env = Readonly<Record<string, string | undefined>>;

/** The command line as a program; `env` supplies defaults for its flags. More verbs go here, one file each in `commands/`. */
export function buildProgram(env: Env): Command {
  const program = new Command('kn-kaggle')
    .description('Give it a Kaggle competition URL, get a validated submission.csv.')
    .version('0.1.0')
    .addOption(new Option('--url <url>', 'base URL of the service').default(env['KAGGLE_AGENT_URL'] ?? 'http://127.0.0.1:8000'))
    .addOption(
      new Option('--submit-url <url>', 'base URL of submit, when it has a host of its own').default(env['KAGGLE_AGENT_SUBMIT_URL']),
    )
    .addOption(new Option('--status-url <url>', 'base URL of status').default(env['KAGGLE_AGENT_STATUS_URL']))
    .addOption(new Option('--result-url <url>', 'base URL of result').default(env['KAGGLE_AGENT_RESULT_URL']))
    .addOption(new Option('--api-key-file <path>', 'file with the API key').default(env['KAGGLE_AGENT_API_KEY_FILE']))
    .option('--debug', 'show the stack of an error')
    .showSuggestionAfterError(true)
    .showHelpAfterError('Use --help to see what there is.');
  const run: Run =
    (action) =>
    async (...rest) => {
      const context = await openContext(program.opts(), env);
      process.exitCode = await action(context, ...rest);
    };
  addJobCommands(program, run);
  addLocalCommands(program, run);
  return program;
}

type Action<Arguments extends unknown[]> = (context: CommandContext, ...rest: Arguments) => Promise<number>;
type Run = <Arguments extends unknown[]>(action: Action<Arguments>) => (...rest: Arguments) => Promise<void>;

/** Loads a command only when it runs: those that bring the agent or the whole control plane would slow every other one down. */
function lazily<Arguments extends unknown[]>(load: () => Promise<Action<Arguments>>): Action<Arguments> {
  return async (context, ...rest) => (await load())(context, ...rest);
}

function addJobCommands(program: Command, run: Run): void {
  addTaskOptions(program.command('submit'))
    .description('start a job for a competition')
    .argument('<competition>', 'URL of the competition, or its slug')
    .option('--priority <n>', 'higher first', parseInteger)
    .option('--cpu <quantity>', 'CPUs for the runs, such as 2 or 500m')
    .option('--memory <quantity>', 'memory for the runs, such as 4Gi')
    .option('--time-limit <seconds>', 'seconds from the first start', parseInteger)
    .option('--budget-usd <dollars>', 'most dollars to spend on Claude', parseNumber)
    .option('--no-llm', 'built-in recipes only')
    .option('--hint <text>', 'words of advice for the agent')
    .option('--submit-to-kaggle', 'also send the final file to Kaggle')
    .option('--idempotency-key <key>', 'a repeat with the same key is harmless')
    .option('--wait', 'wait for the end, without showing progress')
    .option('--watch', 'wait for the end and show progress')
    .option('--timeout <seconds>', 'stop waiting after this long (exit code 8)', parseInteger)
    .addOption(outputOption())
    .action(run(submitCommand));
  program
    .command('list')
    .description('jobs, newest first')
    .addOption(new Option('--state <state>', 'only jobs in this state'))
    .option('--limit <n>', 'at most this many', parseInteger, 50)
    .addOption(outputOption())
    .action(run(listCommand));
  program
    .command('describe')
    .description('all about one job')
    .argument('<job>', 'job id')
    .addOption(outputOption())
    .action(run(describeCommand));
  program
    .command('watch')
    .description('follow a job until it ends')
    .argument('<job>', 'job id')
    .option('--timeout <seconds>', 'stop watching after this long (exit code 8)', parseInteger)
    .addOption(outputOption())
    .action(run(watchCommand));
  program
    .command('logs')
    .description('what the agent wrote')
    .argument('<job>', 'job id')
    .option('-f, --follow', 'go on until the job ends')
    .option('--tail <lines>', 'last lines only', parseInteger, 1000)
    .option('--attempt <n>', 'of this attempt', parseInteger)
    .action(run(logsCommand));
  program
    .command('result')
    .description('scores and files of a finished job; downloads a file with --file')
    .argument('<job>', 'job id')
    .option('--file <name>', 'download this file, such as submission.csv')
    .option('--to <path>', 'where to; - for stdout', '.')
    .option('--best', 'the best file so far, of a job that is not done')
    .addOption(outputOption())
    .action(run(resultCommand));
  program
    .command('instruct')
    .description('tell a running job one thing: words for Claude, or one of the options')
    .argument('<job>', 'job id')
    .argument('[words...]', 'words of advice, from now on')
    .option('--try <idea>', 'try this before everything else')
    .option('--why <reason>', 'with --try: why it should help')
    .option('--never <words>', 'do not try what has these words in it')
    .option('--finish', 'end now, with the best so far')
    .addOption(outputOption())
    .action(run(instructCommand));
  program.command('cancel').description('stop a job').argument('<job>', 'job id').addOption(outputOption()).action(run(cancelCommand));
}

function addLocalCommands(program: Command, run: Run): void {
  program
    .command('demo')
    .description('solve a bundled competition, all on this machine')
    .option('--competition <slug>', 'which one', 'ames-house-prices')
    .option('--time-limit <seconds>', 'seconds that the agent may use', parseInteger, 180)
    .option('--llm', 'let Claude write programs, too; needs a key')
    .option('--budget-usd <dollars>', 'most dollars to spend on Claude', parseNumber, 2)
    .option('--json', 'one JSON object as the last line of stdout')
    .option('--out <folder>', 'where submission.csv and report.html go', 'demo-output')
    .option('--keep', 'keep the temporary folder')
    .action(run(lazily(async () => (await import('./commands/demo.ts')).demoCommand)));
  addTaskOptions(program.command('solve'))
    .description('the agent alone on a folder, a bundled competition or a URL; no control plane')
    .argument('<competition>', 'folder with train and test files, slug or URL')
    .option('--out <folder>', 'where the files go', 'solution')
    .option('--time-limit <seconds>', 'seconds that the agent may use', parseInteger, 600)
    .option('--time <seconds>', 'the same as --time-limit', parseInteger)
    .option('--threads <n>', 'CPUs for the runs', parseInteger)
    .option('--budget-usd <dollars>', 'most dollars to spend on Claude, with a key', parseNumber, 2)
    .option('--no-llm', 'built-in recipes only')
    .option('--hint <text>', 'words of advice for the agent')
    .option('--json', 'the same as -o json')
    .addOption(outputOption())
    .action(run(lazily(async () => (await import('./commands/solve.ts')).solveCommand)));
  program
    .command('reproduce')
    .description("run a job's best solution once more on this machine, and compare score and file")
    .argument('<job>', 'job id, or the folder that solve wrote')
    .option('--data <competition>', 'folder with the data files, slug or URL; by default the competition of the job')
    .option('--time-limit <seconds>', 'seconds that it may use; by default three times what the job had', parseInteger)
    .addOption(outputOption())
    .action(run(lazily(async () => (await import('./commands/reproduce.ts')).reproduceCommand)));
  program
    .command('doctor')
    .description('what works here, and what to do about the rest')
    .addOption(outputOption())
    .action(run(lazily(async () => (await import('./commands/doctor.ts')).doctorCommand)));
}

function outputOption(): Option {
  const formats: readonly OutputFormat[] = ['table', 'json', 'name'];
  return new Option('-o, --output <format>', 'table, json or name').choices([...formats]).default('table');
}

function parseInteger(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value)) throw new InvalidArgumentError('a whole number is expected');
  return value;
}

function parseNumber(text: string): number {
  const value = Number(text);
  if (!Number.isFinite(value)) throw new InvalidArgumentError('a number is expected');
  return value;
}
