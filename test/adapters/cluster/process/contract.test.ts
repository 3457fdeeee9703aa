import test from 'ava';
import { testJobRunner } from '#test/contract/job-runner.ts';
import { setUpProcesses } from './_harness.ts';

testJobRunner(test, (t) => setUpProcesses(t));
