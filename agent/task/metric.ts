import type { Direction, FixedMetric, TaskProfile } from '../evaluate/harness-protocol.ts';
import type { MetricId } from '../evaluate/metric-ids.ts';
import { METRIC_NAMES } from './metric-names.ts';

const PAGE_CHARACTERS = 40_000;
const API_NAME_CHARACTERS = 300;
const MINIMIZED: ReadonlySet<MetricId> = new Set<MetricId>([
  'logloss',
  'logloss_mean_columns',
  'brier',
  'rmse',
  'rmse_mean_columns',
  'rmsle',
  'rmsle_mean_columns',
  'mse',
  'mae',
  'medae',
  'mape',
  'smape',
  'error_rate',
  'balanced_logloss',
  'msle',
  'mae_mean_columns',
  'rmspe',
  'log_cosh',
  'poisson_deviance',
  'gamma_deviance',
  'wape',
  'wmae',
  'wrmse',
  'weighted_logloss',
  'haversine',
  'mean_edit_distance',
  'cer',
  'wer',
  'mean_pinball',
  'rmsse',
  'tour_length',
]);

/** What the metric is looked for in: Kaggle's display name, and the host's pages (hostile text; at most 40,000 characters each are read). */
export interface MetricSources {
  apiMetric: string | null;
  pages: readonly { name: string; content: string }[];
}

/** `asked` = the competition's own metric, whose name we know but which we cannot compute; null when no name was found. */
export interface MetricFinding {
  metric: FixedMetric | null;
  asked: string | null;
}

/** Direction of a metric that we compute. */
export function directionOf(id: MetricId): Direction {
  return MINIMIZED.has(id) ? 'minimize' : 'maximize';
}

/** Whether a metric is one of answers that are texts: lists, sets, words, run lengths. */
export function isOfAnswers(id: MetricId): boolean {
  return ANSWERS.has(id);
}

/** The metric named by the API, else by the Evaluation page, else by the overview; null when none of them names one that we compute. */
export function fixMetric(sources: MetricSources): FixedMetric | null {
  return findMetric(sources).metric;
}

/** As fixMetric, and tells the name of a metric that we know but cannot compute: the nearest is then a proxy. */
export function findMetric({ apiMetric, pages }: MetricSources): MetricFinding {
  const named = apiMetric?.slice(0, API_NAME_CHARACTERS).trim();
  if (named) {
    const hit = bestHit(named, 'name');
    if (hit?.id) return { metric: made(hit.id, named, 'api', pages), asked: null };
    if (hit) return { metric: null, asked: named };
  }
  for (const { source, content } of orderPages(pages)) {
    const hit = bestHit(content, source === 'evaluation-page' ? 'page' : 'overview');
    if (hit?.id) return { metric: made(hit.id, hit.name, source, pages), asked: null };
    if (hit) return { metric: null, asked: named || hit.name };
  }
  return { metric: null, asked: named || null };
}

/** The metric to use when none is known: by target type and submission form. `asked` (a metric we cannot compute) makes it a proxy. */
export function defaultMetric(profile: Pick<TaskProfile, 'targets' | 'submission'>, asked: string | null = null): FixedMetric {
  const several = profile.targets.length > 1;
  const types = new Set(profile.targets.map((target) => target.type));
  let id: MetricId;
  const answers = OF_ANSWERS[profile.targets[0]?.type ?? 'binary'];
  if (answers !== undefined) id = answers[0];
  else if (types.has('quantile')) id = 'mean_pinball';
  else if (types.has('regression')) id = several ? 'rmse_mean_columns' : 'rmse';
  else if (profile.submission.form === 'probability') id = several ? 'auc_mean_columns' : 'auc';
  else if (profile.submission.form === 'class_columns') id = 'logloss';
  else id = 'accuracy';
  return { id, direction: directionOf(id), display_name: asked ?? id, source: 'schema', proxy: true, k: null };
}

/** The metric of a competition without labels: its objective, or nearest what its leaderboard shows. Null where rows have labels. */
export function metricOfObjective({ objective }: Pick<TaskProfile, 'objective'>): FixedMetric | null {
  if (objective === null) return null;
  const { id, display_name: name, proxy } = objective;
  return { id, direction: directionOf(id), display_name: name, source: 'overview', proxy, k: null };
}

/** Whether a metric is one of competitions without labels: it measures no rows. */
export function isOfObjectives(id: MetricId): boolean {
  return id === 'tour_length' || id === 'win_rate';
}

/** What stands for a metric of two classes when the target has more. */
const FOR_SEVERAL_CLASSES: Partial<Record<MetricId, MetricId>> = {
  f1: 'f1_macro',
  f05: 'f1_macro',
  f2: 'f1_macro',
  jaccard: 'f1_macro',
  precision: 'f1_macro',
  recall: 'balanced_accuracy',
  partial_auc: 'auc',
  amex: 'auc',
  pf1: 'auc',
};

/** What stands for a metric whose weights no column holds, and for one whose queries or eras none names. */
const WITHOUT_WEIGHTS: Partial<Record<MetricId, MetricId>> = { wmae: 'mae', wrmse: 'rmse', wr2: 'r2', weighted_logloss: 'logloss' };
const WITHOUT_QUERIES: Partial<Record<MetricId, MetricId>> = {
  pearson_by_group: 'pearson',
  spearman_by_group: 'spearman',
  stratified_concordance: 'concordance',
};
const RANKINGS = new Set<MetricId>(['ndcg_by_group', 'map_by_group', 'recall_by_group', 'mrr_by_group']);

/** Metrics that go by one name for one label a row and for several, and what they are for those. */
const OF_LISTS: Partial<Record<MetricId, MetricId>> = {
  map_of_classes: 'map_of_lists',
  map_by_group: 'map_of_lists',
  ndcg_by_group: 'ndcg_of_lists',
  recall_by_group: 'recall_of_lists',
};
const OF_SETS: Partial<Record<MetricId, MetricId>> = {
  f1: 'f1_of_sets',
  f1_samples: 'f1_of_sets',
  f1_micro: 'f1_of_sets',
  f2: 'f2_of_sets',
  jaccard: 'jaccard_of_sets',
  jaccard_samples: 'jaccard_of_sets',
};
type TargetType = TaskProfile['targets'][number]['type'];

/** Metrics of answers that are texts, by the type of target; the first one of each is used when none is known. */
const OF_ANSWERS: Partial<Record<TargetType, readonly [MetricId, ...MetricId[]]>> = {
  list: ['map_of_lists', 'recall_of_lists', 'ndcg_of_lists'],
  set: ['f1_of_sets', 'f2_of_sets', 'jaccard_of_sets'],
  text: ['chrf', 'bleu', 'rouge_1', 'rouge_2', 'rouge_l', 'cer', 'wer', 'mean_edit_distance', 'normalised_edit_similarity'],
  mask: ['dice_by_image'],
  masks: ['iou_precision', 'iou_f2', 'panoptic_quality'],
  boxes: ['box_precision'],
};
const ANSWERS: ReadonlySet<MetricId> = new Set(Object.values(OF_ANSWERS).flat());

type Fitted = Pick<TaskProfile, 'targets'> & Partial<Pick<TaskProfile, 'weight_column' | 'query_column' | 'shape'>>;

/** The metric as this task can be measured by it: where something that it wants is missing, the nearest, which is then a proxy. */
export function fitMetric(metric: FixedMetric, profile: Fitted): FixedMetric {
  const type = profile.targets[0]?.type;
  const same = (type === 'list' ? OF_LISTS : type === 'set' ? OF_SETS : {})[metric.id];
  if (same !== undefined) return { ...metric, id: same, direction: directionOf(same) };
  // Competitions take other overlaps than those of .5 to .95, and say so in formulas only.
  if (metric.id === 'box_precision' && type === 'boxes') return { ...metric, proxy: true };
  if (metric.id === 'box_precision' && type === 'masks') return { ...metric, id: 'iou_precision' };
  const instead = findSubstitute(metric.id, profile);
  return instead === undefined ? metric : { ...metric, id: instead, direction: directionOf(instead), proxy: true };
}

function findSubstitute(
  id: MetricId,
  { targets, weight_column: weights = null, query_column: queries = null, shape = 'rows' }: Fitted,
): MetricId | undefined {
  const isNumber = targets.every((target) => target.type === 'regression');
  const isSurvival = targets.every((target) => target.type === 'survival');
  if ((id === 'concordance' || id === 'stratified_concordance') && !isSurvival) return isNumber ? 'spearman' : 'auc';
  if (targets[0]?.type === 'quantile') return id === 'mean_pinball' ? undefined : 'mean_pinball';
  // The loss of the middle quantile is half of the absolute error.
  if (id === 'mean_pinball') return isNumber ? 'mae' : 'accuracy';
  if (id === 'rmsse' && (shape !== 'panel' || targets.length > 1)) return 'rmse';
  const answers = OF_ANSWERS[targets[0]?.type ?? 'binary'];
  if (answers !== undefined) return answers.includes(id) ? undefined : answers[0];
  if (ANSWERS.has(id)) return isNumber ? 'rmse' : 'accuracy';
  if (weights === null && WITHOUT_WEIGHTS[id] !== undefined) return WITHOUT_WEIGHTS[id];
  if (queries === null && WITHOUT_QUERIES[id] !== undefined) return WITHOUT_QUERIES[id];
  if (RANKINGS.has(id) && (queries === null || targets.length > 1)) return isNumber ? 'spearman' : 'auc';
  if (id === 'f1_samples' || id === 'jaccard_samples') {
    const isSet = targets.length > 1 && targets.every((target) => target.type === 'binary');
    return isSet ? undefined : 'f1_macro';
  }
  if (id === 'map_of_classes') return targets.length === 1 && !isNumber ? undefined : isNumber ? 'rmse' : 'auc_mean_columns';
  if (id === 'haversine') return isPlace(targets) ? undefined : 'rmse_mean_columns';
  return targets.some((target) => target.type === 'multiclass') ? FOR_SEVERAL_CLASSES[id] : undefined;
}

/** Latitude and longitude, in this order: the function takes the columns as they come. */
function isPlace(targets: TaskProfile['targets']): boolean {
  const [latitude, longitude, ...more] = targets.map(({ name }) => name.toLowerCase());
  return more.length === 0 && /lat/.test(latitude ?? '') && /lon|lng/.test(longitude ?? '');
}

function made(id: MetricId, name: string, source: FixedMetric['source'], pages: MetricSources['pages']): FixedMetric {
  return { id, direction: directionOf(id), display_name: name, source, proxy: false, k: findPlaces(id, name, pages) };
}

const PLACES = /(?:@\s?|\b(?:precision|map) at )\{?(\d{1,4})\b/i;

/** The `k` of "MAP@5" and the like: in the metric's name, else on the pages that say how submissions are scored. */
function findPlaces(id: MetricId, name: string, pages: MetricSources['pages']): number | null {
  if (!RANKINGS.has(id) && id !== 'map_of_classes') return null;
  const texts = [name, ...orderPages(pages).map(({ content }) => content)];
  const k = texts.map((text) => Number(PLACES.exec(text)?.[1] ?? 0)).find((found) => found > 0);
  return k ?? null;
}

/** Evaluation page first, then overview or description, then the FAQ; other pages (rules, prizes, timeline) name metrics in passing only. */
function orderPages(pages: MetricSources['pages']): { source: 'evaluation-page' | 'overview'; content: string }[] {
  const wanted: readonly (readonly [RegExp, 'evaluation-page' | 'overview'])[] = [
    [/evaluation/i, 'evaluation-page'],
    [/^(overview|description|abstract|readme)/i, 'overview'],
    [/frequently|faq|about/i, 'overview'],
  ];
  const ordered = wanted.flatMap(([pattern, source]) =>
    pages.filter((page) => pattern.test(page.name)).map((page) => ({ source, content: page.content.slice(0, PAGE_CHARACTERS) })),
  );
  return ordered.filter((page, index) => ordered.findIndex((other) => other.content === page.content) === index);
}

interface Hit {
  id: MetricId | null;
  name: string;
  weight: number;
  position: number;
}

/**
 * Text in lower case, tags and marks replaced by blanks. Character by character, so that hostile text costs linear time only.
 * Sentence ends stay, as words of their own.
 */
function plain(text: string): string {
  const withoutTags = text.replace(/<[^<>]{0,300}>/g, ' ').replace(/\]\([^()\s]{0,500}\)/g, ' ');
  return ` ${withoutTags
    .toLowerCase()
    .replace(/[’`]/g, "'")
    .replace(/[-_–—*#"[\]{}|:,;/\\]/g, ' ')
    .replace(/([.!?])(?=\s|$)/g, ' $1 ')
    .replace(/\n[ \t]*\n/g, ' . ')
    .replace(/\s+/g, ' ')} `;
}

const NAMES = METRIC_NAMES.map(([name, id]) => ({ needle: plain(name).trim(), id, name })).toSorted(
  (a, b) => b.needle.length - a.needle.length,
);
const ASKING = /\b(evaluated|scored|judged|ranked|measured|assessed|metric|evaluation|score is|scores? (?:are|is)|calculated|computed)\b/;
const DENYING = /\b(not|unlike|instead of|rather than|except|never|no longer|ignore)\b[^.]{0,60}$/;

/** The name with the most weight: near a word that says how submissions are scored, not denied, the earliest of equals. */
function bestHit(text: string, kind: 'name' | 'page' | 'overview'): Hit | null {
  const searched = plain(text);
  const taken: [number, number][] = [];
  const hits: Hit[] = [];
  for (const { needle, id, name } of NAMES) {
    for (let at = findWord(searched, needle, 0); at >= 0 && hits.length < 200; at = findWord(searched, needle, at + 1)) {
      const end = at + needle.length;
      if (taken.some(([from, to]) => at < to && end > from)) continue; // inside a longer name
      taken.push([at, end]);
      const before = searched.slice(Math.max(0, at - 160), at);
      if (DENYING.test(before.slice(-100))) continue;
      const sentence = before.slice(before.lastIndexOf(' . ') + 1);
      const asked = ASKING.test(sentence) || ASKING.test(searched.slice(end, end + 60));
      if (kind === 'overview' && !asked) continue; // an overview mentions metrics in passing
      hits.push({ id, name, weight: (asked ? 2 : 0) + (needle.length > 6 ? 0.5 : 0), position: at });
    }
  }
  return hits.toSorted((a, b) => b.weight - a.weight || a.position - b.position)[0] ?? null;
}

/** Position of a whole word or phrase from `start` on; -1 when there is none. */
function findWord(text: string, needle: string, start: number): number {
  for (let at = text.indexOf(needle, start); at >= 0; at = text.indexOf(needle, at + 1)) {
    const before = text[at - 1] ?? ' ';
    const after = text[at + needle.length] ?? ' ';
    if (!isWordCharacter(before) && (needle.endsWith('@') || !isWordCharacter(after))) return at;
  }
  return -1;
}

function isWordCharacter(character: string): boolean {
  return /[a-z0-9']/.test(character);
}
