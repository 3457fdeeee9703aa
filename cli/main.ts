import { CommanderError } from 'commander';
import { CliError, EXIT_CODES } from './exit-codes.ts';
import { buildProgram } from './program.ts';
import { stripControls } from './output.ts';

/** Runs the command line; every error becomes one line on stderr and a documented exit code. */
async function main(): Promise<void> {
  // Whoever reads us may stop reading (`| head`): that is no error.
  for (const stream of [process.stdout, process.stderr])
    stream.on('error', (error) => process.exit('code' in error && error.code === 'EPIPE' ? EXIT_CODES.ok : EXIT_CODES.failed));
  const isDebug = process.argv.includes('--debug');
  try {
    const program = buildProgram(process.env);
    program.exitOverride();
    for (const command of program.commands) command.exitOverride();
    await program.parseAsync();
  } catch (error) {
    if (error instanceof CommanderError) {
      process.exitCode = error.exitCode === 0 ? EXIT_CODES.ok : EXIT_CODES.usage;
      return;
    }
    const message = error instanceof Error ? error.message : String(error);
    process.stderr.write(`kn-kaggle: ${stripControls(message)}\n`);
    if (isDebug)
      process.stderr.write(`${error instanceof Error ? error.stack : ''}\n${String(error instanceof Error ? error.cause : '')}\n`);
    process.exitCode = error instanceof CliError ? error.exitCode : EXIT_CODES.failed;
  }
}

await main();
