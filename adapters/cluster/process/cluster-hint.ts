import { randomUUID } from 'node:crypto';
import { EVENT_TYPES } from '#core/events.ts';
import type { PlainEvent } from '#core/events.ts';

const API_VERSION = 'batch/v1';
const KIND = 'Job';
const NAMESPACE = 'local';

/** A reference-only hint as Knative's ApiServerSource sends it: it names the Job that changed, and nothing of what changed. */
export function buildClusterHint(change: 'added' | 'updated' | 'deleted', jobName: string): PlainEvent {
  const type = { added: EVENT_TYPES.clusterAdded, updated: EVENT_TYPES.clusterUpdated, deleted: EVENT_TYPES.clusterDeleted }[change];
  return {
    id: randomUUID(),
    type,
    source: 'https://local-cluster',
    subject: `/apis/${API_VERSION}/namespaces/${NAMESPACE}/jobs/${jobName}`,
    time: new Date().toISOString(),
    data: { apiVersion: API_VERSION, kind: KIND, name: jobName, namespace: NAMESPACE },
    extensions: { apiversion: API_VERSION, kind: KIND, name: jobName, namespace: NAMESPACE },
  };
}
