import type { PlanePorts } from '#local/plane.ts';

/** A place between two side effects: the process dies there, by SIGKILL, the first time it gets there. */
export interface CrashPoint {
  readonly port: keyof PlanePorts;
  readonly method: string;
  readonly when: 'before' | 'after';
  /** Which call of the method is meant; `args` and `result` are what the use case saw. */
  readonly matches: (args: readonly unknown[], result: unknown) => boolean;
}

const always = () => true;
const textOf = (value: unknown) => JSON.stringify(value) ?? '';
const mentions = (fragment: string) => (args: readonly unknown[]) => textOf(args[0]).includes(fragment);
/** For `changeJob`: what is changed, not the row that was read. */
const changes = (fragment: string) => (args: readonly unknown[]) => {
  const [params] = args;
  return typeof params === 'object' && params !== null && 'change' in params && textOf(params.change).includes(fragment);
};
/** For `changeJob` that changed the row: one that came too late, to a row that had changed, gives null and is tried once more. */
const changed = (fragment: string) => (args: readonly unknown[], result: unknown) => result !== null && changes(fragment)(args);
const isNotEmpty = (_args: readonly unknown[], result: unknown) => Array.isArray(result) && result.length > 0;

/** Every place between two side effects of submitting, launching, claiming, recording, cancelling and retrying, by the name of its test. */
export const CRASH_POINTS = {
  'submit: the job is committed, the client has no answer': { port: 'store', method: 'insertJob', when: 'after', matches: always },
  'submit: the event was sent, but not marked as sent': { port: 'sink', method: 'send', when: 'after', matches: always },
  'record: the event of the end is leased, but not sent': { port: 'store', method: 'leaseOutbox', when: 'after', matches: isNotEmpty },
  'launch: the slot is claimed, the Job not created': { port: 'store', method: 'claimSlots', when: 'after', matches: isNotEmpty },
  'launch: before the Job is created': { port: 'runner', method: 'create', when: 'before', matches: always },
  'launch: the Job is created, the ledger not told': { port: 'runner', method: 'create', when: 'after', matches: always },
  'launch: the ledger says queued, the launcher does not know': {
    port: 'store',
    method: 'changeJob',
    when: 'after',
    matches: changed('"state":"queued"'),
  },
  'claim: the agent has claimed, the ledger does not say running': {
    port: 'store',
    method: 'changeJob',
    when: 'before',
    matches: changes('"state":"running"'),
  },
  'claim: the ledger says running, its writer does not know': {
    port: 'store',
    method: 'changeJob',
    when: 'after',
    matches: changed('"state":"running"'),
  },
  'record: the manifest is verified, no file copied': { port: 'artifacts', method: 'copyObject', when: 'before', matches: always },
  'record: the files are copied, the ledger not told': { port: 'artifacts', method: 'copyObject', when: 'after', matches: always },
  'record: before the final transaction': { port: 'store', method: 'changeJob', when: 'before', matches: changes('"completedAt"') },
  'record: the end is committed, the cluster still keeps the Job': {
    port: 'store',
    method: 'changeJob',
    when: 'after',
    matches: changed('"completedAt"'),
  },
  'record: before the Job may be forgotten': { port: 'runner', method: 'markRecorded', when: 'before', matches: always },
  'record: the Job may be forgotten, its slot is not noted as free': {
    port: 'runner',
    method: 'markRecorded',
    when: 'after',
    matches: always,
  },
  'record: the final event is sent, but not marked': { port: 'sink', method: 'send', when: 'after', matches: mentions('job.succeeded') },
  'cancel: the flag is set, the Job still runs': {
    port: 'store',
    method: 'changeJob',
    when: 'after',
    matches: changed('cancelRequestedAt'),
  },
  'cancel: the reason is noted, the Job not deleted': { port: 'runner', method: 'remove', when: 'before', matches: always },
  'cancel: the Job is being deleted, the end not recorded': { port: 'runner', method: 'remove', when: 'after', matches: always },
  'cancel: the attempt is gone, before its end is recorded': {
    port: 'store',
    method: 'changeJob',
    when: 'before',
    matches: changes('"state":"cancelled"'),
  },
  'retry: the attempt failed, before the claim is taken over': {
    port: 'artifacts',
    method: 'createObject',
    when: 'before',
    matches: mentions('/claim'),
  },
  'retry: the claim is held, the job not back in line': {
    port: 'artifacts',
    method: 'createObject',
    when: 'after',
    matches: mentions('/claim'),
  },
  'retry: back in line, the event not sent': { port: 'store', method: 'changeJob', when: 'after', matches: changed('"failedAttempts":1') },
  'retry: the second slot is claimed, the second Job not created': {
    port: 'runner',
    method: 'create',
    when: 'before',
    matches: mentions('-a2"'),
  },
} as const satisfies Record<string, CrashPoint>;
export type CrashPointName = keyof typeof CRASH_POINTS;

/** Puts the crash between the use cases and the outside: `crash` never returns. */
export function armCrashPoint(ports: PlanePorts, point: CrashPoint, crash: () => void): PlanePorts {
  const port = ports[point.port];
  const armed = new Proxy(port, {
    get(target, name, receiver) {
      const member: unknown = Reflect.get(target, name, receiver);
      if (typeof member !== 'function') return member;
      if (name !== point.method) return member.bind(target) as unknown;
      return async (...args: unknown[]): Promise<unknown> => {
        if (point.when === 'before' && point.matches(args, undefined)) crash();
        const result: unknown = await (member.apply(target, args) as Promise<unknown>);
        if (point.when === 'after' && point.matches(args, result)) crash();
        return result;
      };
    },
  });
  return { ...ports, [point.port]: armed };
}
