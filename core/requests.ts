import { z } from 'zod';
import type { Instruction } from './instruction.ts';
import { parseCpuMillis, parseMemoryBytes } from './quantity.ts';
import type { JobOptions, TaskOverrides } from './job.ts';

/** Bounds and defaults that an operator may set; every number of a request is judged against these. */
export interface RequestLimits {
  readonly defaultTimeLimitS: number;
  readonly maxTimeLimitS: number;
  readonly defaultBudgetUsd: number;
  readonly maxBudgetUsd: number;
  readonly maxCpuMillis: number;
  readonly maxMemoryMib: number;
}

/** Defaults of the protocol: 1 h, at most 2 h, 2 dollars. */
export const DEFAULT_LIMITS: RequestLimits = {
  defaultTimeLimitS: 3600,
  maxTimeLimitS: 7200,
  defaultBudgetUsd: 2,
  maxBudgetUsd: 100,
  maxCpuMillis: 16_000,
  maxMemoryMib: 65_536,
};

/** Named sizes, for people who do not want to write quantities. */
export const TIERS = {
  small: { cpuMillis: 1000, memoryMib: 2048 },
  medium: { cpuMillis: 2000, memoryMib: 4096 },
  large: { cpuMillis: 4000, memoryMib: 16_384 },
} as const;

const Resources = z
  .strictObject({
    cpu: z
      .string()
      .refine((text) => parseCpuMillis(text) !== null, 'a Kubernetes CPU quantity such as "1" or "500m"')
      .default('1'),
    memory: z
      .string()
      .refine((text) => parseMemoryBytes(text) !== null, 'a Kubernetes memory quantity such as "2Gi"')
      .default('2Gi'),
  })
  .meta({ description: 'Kubernetes quantities; limits are twice the requests.' });

const Column = z.string().min(1).max(500).nullish();

/** What the caller knows of the task; what is left out is found out from the data. */
const Task = z
  .strictObject({
    shape: z
      .enum(['rows', 'groups', 'time', 'panel'])
      .nullish()
      .meta({ description: 'What a fold cuts: rows, entities, blocks of time, or blocks of time of many series.' }),
    group_column: Column.meta({ description: 'Names the entity whose rows stay together.' }),
    time_column: Column.meta({ description: 'Orders the rows in time.' }),
    one_row_at_a_time: z.boolean().nullish().meta({ description: 'The competition hands out its test rows one at a time.' }),
    allow_data_leaks: z
      .boolean()
      .nullish()
      .meta({ description: 'Give solutions also the columns that tell the answers, in the real test too. Default false.' }),
  })
  .meta({ description: 'What the caller knows of the task; what is left out is found out from the data.' });

/** Body of `POST /run` and data of `job.requested.v1`. Nulls mean the default, as in the original system. */
export const RunRequest = z
  .strictObject({
    kaggle_url: z.string().min(1).max(2000).meta({ description: 'URL of the competition. Parsed, never fetched.' }),
    priority: z.int32().nullish().meta({ description: 'Higher first, then oldest first. Default 0.' }),
    resources: Resources.nullish(),
    tier: z.enum(['small', 'medium', 'large']).nullish().meta({ description: 'A named size instead of `resources`.' }),
    time_limit_s: z.int().min(10).nullish().meta({ description: 'Seconds from the first start; default 3600, at most 7200.' }),
    budget_usd: z.number().min(0).nullish().meta({ description: 'Most dollars to spend on Claude; default 2.' }),
    llm: z.enum(['auto', 'off']).nullish(),
    hint: z.string().max(2000).nullish().meta({ description: 'Words of advice for the agent.' }),
    submit_to_kaggle: z.boolean().nullish().meta({ description: 'Also send the final file to Kaggle. Default false.' }),
    task: Task.nullish(),
  })
  .refine((body) => !(body.resources && body.tier), { path: ['tier'], message: 'give either tier or resources, not both' })
  .meta({ id: 'RunRequest' });
export type RunRequest = z.infer<typeof RunRequest>;

/** A value outside the operator's bounds; `pointer` names the member. */
export interface LimitViolation {
  readonly pointer: string;
  readonly message: string;
}

/** Fills in defaults and checks bounds: the frozen options, or every violation found. Pure. */
export function resolveOptions(request: RunRequest, limits: RequestLimits): { options: JobOptions } | { violations: LimitViolation[] } {
  const violations: LimitViolation[] = [];
  const tier = request.tier ? TIERS[request.tier] : null;
  const cpuMillis = tier?.cpuMillis ?? parseCpuMillis(request.resources?.cpu ?? '1') ?? 1000;
  const memoryMib = tier?.memoryMib ?? Math.ceil((parseMemoryBytes(request.resources?.memory ?? '2Gi') ?? 2 ** 31) / 2 ** 20);
  const timeLimitS = request.time_limit_s ?? limits.defaultTimeLimitS;
  const budgetUsd = request.budget_usd ?? limits.defaultBudgetUsd;
  const refuse = (bad: boolean, pointer: string, message: string) => bad && violations.push({ pointer, message });
  refuse(cpuMillis > limits.maxCpuMillis, '/resources/cpu', `at most ${limits.maxCpuMillis / 1000} CPUs here`);
  refuse(cpuMillis < 100, '/resources/cpu', 'at least 100m');
  refuse(memoryMib > limits.maxMemoryMib, '/resources/memory', `at most ${limits.maxMemoryMib}Mi here`);
  refuse(memoryMib < 256, '/resources/memory', 'at least 256Mi');
  refuse(timeLimitS > limits.maxTimeLimitS, '/time_limit_s', `at most ${limits.maxTimeLimitS} seconds here`);
  refuse(budgetUsd > limits.maxBudgetUsd, '/budget_usd', `at most ${limits.maxBudgetUsd} dollars here`);
  if (violations.length > 0) return { violations };
  return {
    options: {
      priority: request.priority ?? 0,
      resources: { cpuMillis, memoryMib },
      timeLimitS,
      budgetUsd,
      llm: request.llm ?? 'auto',
      hint: request.hint ?? null,
      submitToKaggle: request.submit_to_kaggle ?? false,
      task: request.task ? readOverrides(request.task) : null,
    },
  };
}

function readOverrides(task: z.infer<typeof Task>): TaskOverrides {
  return {
    shape: task.shape ?? null,
    groupColumn: task.group_column ?? null,
    timeColumn: task.time_column ?? null,
    oneRowAtATime: task.one_row_at_a_time ?? null,
    allowDataLeaks: task.allow_data_leaks ?? false,
  };
}

const Words = (most: number) => z.string().trim().min(1).max(most);

/** Body of `POST /jobs/{id}/instructions`: one of `say`, `try`, `never` and `finish`. */
export const InstructRequest = z
  .strictObject({
    say: Words(1_000).nullish().meta({ description: 'Words of advice for Claude, from now on.' }),
    try: Words(200).nullish().meta({ description: 'An idea that is tried before all others.' }),
    why: z.string().trim().max(1_000).nullish().meta({ description: 'With `try`: why it should help.' }),
    never: Words(200).nullish().meta({ description: 'What is not to be tried: words of a title or of an approach.' }),
    finish: z.literal(true).nullish().meta({ description: 'End now, with the best so far.' }),
  })
  .refine((body) => [body.say, body.try, body.never, body.finish].filter((member) => member != null).length === 1, {
    path: [],
    message: 'give one of say, try, never and finish',
  })
  .refine((body) => body.why == null || body.try != null, { path: ['why'], message: 'goes with try' })
  .meta({ id: 'InstructRequest' });
export type InstructRequest = z.infer<typeof InstructRequest>;

/** What the agent is told. */
export function readInstruction({ say, try: wanted, why, never }: InstructRequest): Instruction {
  if (say != null) return { kind: 'say', text: say };
  if (wanted != null) return { kind: 'try', text: wanted, why: why ?? '' };
  return never == null ? { kind: 'finish' } : { kind: 'never', text: never };
}
