#!/usr/bin/env node
// The door to every npm script: `node setup.mjs <verb> [arguments]`. Installs what the verb needs, with nothing but Node itself, then runs
// the verb's program under the project's own Node 24.
import { releaseSetupLock } from './scripts/setup/lock.mjs';
import { checkMachine } from './scripts/setup/preflight.mjs';
import { stopRunningCommands } from './scripts/setup/run-command.mjs';
import { SetupRefusal, say } from './scripts/setup/talk.mjs';
import { verbs } from './scripts/setup/verbs.mjs';

const [name = '', ...args] = process.argv.slice(2);
const exitUsage = 64;
const exitRefused = 69;

/** Ctrl-C while installing. Once a program runs in the foreground, the signal is its own affair. */
function stopOnSignal(signal) {
  if (process.listenerCount(signal) > 1) return;
  stopRunningCommands();
  releaseSetupLock();
  say('stopped; start again and it goes on where it stopped');
  process.exit(signal === 'SIGINT' ? 130 : 143);
}

async function main() {
  const verb = Object.hasOwn(verbs, name) ? verbs[name] : null;
  if (verb === null) {
    say(`${name === '' ? 'a verb is missing' : `no verb is called "${name}"`}: use one of ${Object.keys(verbs).join(', ')}`);
    return exitUsage;
  }
  process.on('SIGINT', stopOnSignal);
  process.on('SIGTERM', stopOnSignal);
  try {
    checkMachine();
    return await verb(args);
  } catch (error) {
    say(error instanceof SetupRefusal ? error.message : `${name} failed unexpectedly: ${error?.message ?? error}`);
    return exitRefused;
  }
}

process.exitCode = await main();
