/** The agent of the test image: a toy for the job runner's contract, or the stub that speaks the whole protocol, as the hint asks. */
import { readFileSync } from 'node:fs';
import type { JobSpec } from '#core/job-spec.ts';
import { runToy } from './toy-agent.ts';

const spec = JSON.parse(readFileSync(process.env['KAGGLE_AGENT_SPEC_FILE'] ?? '', 'utf8')) as JobSpec;
const hint = spec.hint?.startsWith('{') === true ? JSON.parse(spec.hint) : {};
if ('does' in hint) runToy(spec, hint);
else void import('#test/fixtures/agents/stub-agent.ts');
