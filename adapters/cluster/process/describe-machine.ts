import { arch, availableParallelism, hostname, platform, totalmem } from 'node:os';
import type { ClusterNode } from '#core/ports.ts';

/** This machine as a cluster's only node. */
export function describeMachine(): ClusterNode {
  const capacity = { cpu: String(availableParallelism()), memory: `${Math.floor(totalmem() / 1024)}Ki` };
  return {
    name: hostname(),
    status: 'Ready',
    capacity,
    allocatable: capacity,
    labels: { 'kubernetes.io/hostname': hostname(), 'kubernetes.io/os': platform(), 'kubernetes.io/arch': arch() },
  };
}
