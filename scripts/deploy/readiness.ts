import { z } from 'zod';

const Condition = z.object({ type: z.string(), status: z.string(), reason: z.string().optional(), message: z.string().optional() });

/** What is read of an object to tell whether it is ready. */
export const WatchedObject = z.object({
  kind: z.string(),
  metadata: z.object({ name: z.string(), generation: z.number().default(0) }),
  spec: z.object({ replicas: z.number().optional() }).loose().optional(),
  status: z
    .object({
      observedGeneration: z.number().optional(),
      conditions: z.array(Condition).default([]),
      updatedReplicas: z.number().default(0),
      availableReplicas: z.number().default(0),
      url: z.string().optional(),
    })
    .default({ conditions: [], updatedReplicas: 0, availableReplicas: 0 }),
});
export type WatchedObject = z.infer<typeof WatchedObject>;

/** `failed` will not get better by waiting. */
export interface Readiness {
  readonly state: 'ready' | 'waiting' | 'failed';
  readonly reason: string;
}

/** Whether a Deployment, a Job, or one of Knative's objects is ready, and if not, why in one line. */
export function judgeReadiness(object: WatchedObject): Readiness {
  const { status, metadata } = object;
  if (object.kind === 'Job') return judgeJob(object);
  if (status.observedGeneration !== undefined && status.observedGeneration < metadata.generation)
    return waiting('the change is not seen yet');
  if (object.kind === 'Deployment') {
    const wanted = object.spec?.replicas ?? 1;
    const isReady = status.observedGeneration !== undefined && Math.min(status.updatedReplicas, status.availableReplicas) >= wanted;
    return isReady ? READY : waiting(`${status.availableReplicas} of ${wanted} pods available`);
  }
  const ready = status.conditions.find((condition) => condition.type === 'Ready');
  if (ready?.status === 'True') return READY;
  return waiting(describe(ready ?? null));
}

const READY: Readiness = { state: 'ready', reason: 'ready' };

function judgeJob(object: WatchedObject): Readiness {
  const find = (type: string) => object.status.conditions.find((condition) => condition.type === type && condition.status === 'True');
  if (find('Complete') !== undefined) return READY;
  const failed = find('Failed');
  return failed === undefined ? waiting('running') : { state: 'failed', reason: describe(failed) };
}

function waiting(reason: string): Readiness {
  return { state: 'waiting', reason };
}

function describe(condition: z.infer<typeof Condition> | null): string {
  const text = [condition?.reason, condition?.message].filter((part) => part !== undefined && part !== '').join(': ');
  return (text === '' ? 'waiting' : text).replaceAll(/\s+/g, ' ').slice(0, 200);
}
