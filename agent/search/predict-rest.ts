/** Runs that are not over. `toCome` = how many have not begun; `beside` = seconds that each of the running ones has run. */
interface RunsLeft {
  readonly meanS: number;
  readonly toCome: number;
  readonly beside: readonly number[];
  readonly atOnce: number;
}

/** Seconds until the last run ends, where each takes the mean and starts as soon as a place is free; one place at least is. Pure. */
export function predictRest({ meanS, toCome, beside, atOnce }: RunsLeft): number {
  const free = Array.from({ length: Math.max(1, atOnce - beside.length) }, () => 0);
  const endsS = [...beside.map((ranS) => Math.max(0, meanS - ranS)), ...free];
  for (let run = 0; run < toCome; run += 1) {
    const next = endsS.indexOf(Math.min(...endsS));
    endsS[next] = (endsS[next] ?? 0) + meanS;
  }
  return Math.max(...endsS);
}
