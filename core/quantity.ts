const BINARY: Readonly<Record<string, number>> = { Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30, Ti: 2 ** 40 };
const DECIMAL: Readonly<Record<string, number>> = { '': 1, k: 1e3, M: 1e6, G: 1e9, T: 1e12 };

/** Kubernetes CPU quantity (`1`, `0.5`, `500m`) as millicores, or null when it is none. */
export function parseCpuMillis(text: string): number | null {
  const match = /^(\d{1,6}(?:\.\d{1,3})?)(m?)$/.exec(text);
  if (match === null) return null;
  const millis = Number(match[1]) * (match[2] === 'm' ? 1 : 1000);
  return Number.isInteger(millis) && millis > 0 ? millis : null;
}

/** Kubernetes memory quantity (`2Gi`, `512Mi`, `1.5Gi`, `8G`, bytes) as bytes, or null when it is none. */
export function parseMemoryBytes(text: string): number | null {
  const match = /^(\d{1,15}(?:\.\d{1,3})?)(Ki|Mi|Gi|Ti|k|M|G|T)?$/.exec(text);
  if (match === null) return null;
  const unit = match[2] ?? '';
  const bytes = Number(match[1]) * (BINARY[unit] ?? DECIMAL[unit] ?? Number.NaN);
  return Number.isFinite(bytes) && bytes >= 1 ? Math.floor(bytes) : null;
}

/** Millicores as a Kubernetes quantity. */
export function formatCpu(millis: number): string {
  return millis % 1000 === 0 ? String(millis / 1000) : `${millis}m`;
}

/** MiB as a Kubernetes quantity. */
export function formatMemory(memoryMib: number): string {
  return memoryMib % 1024 === 0 ? `${memoryMib / 1024}Gi` : `${memoryMib}Mi`;
}
