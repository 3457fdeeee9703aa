import test from 'ava';
import { METRIC_IDS } from '#agent/evaluate/metric-ids.ts';
import type { MetricId } from '#agent/evaluate/metric-ids.ts';
import { METRIC_NAMES } from '#agent/task/metric-names.ts';
import { defaultMetric, findMetric, fitMetric, fixMetric, isOfObjectives } from '#agent/task/metric.ts';

const submission = {
  source: 'sample-file' as const,
  file_name: 's.csv',
  separator: ',',
  encoding: 'utf-8',
  compression: 'none' as const,
  decimal: '.' as const,
  columns: ['id', 'y'],
  id_columns: ['id'],
  target_columns: ['y'],
  row_count: 1,
};

const API_NAMES: [string, MetricId | null][] = [
  ['Categorization Accuracy', 'accuracy'],
  ['Root Mean Squared Logarithmic Error', 'rmsle'],
  ['Root Mean Squared Error', 'rmse'],
  ['Area Under Receiver Operating Characteristic Curve', 'auc'],
  ['Quadratic Weighted Kappa', 'qwk'],
  ['QuadraticWeightedKappa', 'qwk'],
  ['MacroFScore', 'f1_macro'],
  ['F-Score (Macro)', 'f1_macro'],
  ['MicroFScore', 'f1_micro'],
  ['MeanFScore', 'f1'],
  ['Mean F-Score', 'f1'],
  ['Log Loss', 'logloss'],
  ['Multiclass Loss', 'logloss'],
  ['MulticlassLoss', 'logloss'],
  ['Mean Absolute Error', 'mae'],
  ['Mean Columnwise Area Under Receiver Operating Characteristic Curve', 'auc_mean_columns'],
  ['MCRMSE', 'rmse_mean_columns'],
  ['Mean Columnwise Root Mean Squared Logarithmic Error', 'rmsle_mean_columns'],
  ['Matthews Correlation Coefficient', 'mcc'],
  ['R2 Score', 'r2'],
  ['Normalized Gini Index', 'gini'],
  ["Spearman's rank correlation coefficient", 'spearman'],
  ['Balanced Accuracy Score', 'balanced_accuracy'],
  ['SMAPE', 'smape'],
  ['Root Mean Squared Percentage Error', 'rmspe'],
  ['Categorization Error', 'error_rate'],
  ['Probabilistic F1 Score', 'pf1'],
  ['Balanced Log Loss', 'balanced_logloss'],
  ['Mean Squared Logarithmic Error', 'msle'],
  ["Mean Columnwise Spearman's Correlation Coefficient", 'spearman_mean_columns'],
  ['ISIC pAUC-aboveTPR', 'partial_auc'],
  ['MAP@{K}', 'map_of_classes'],
  ['Weighted Mean Absolute Error', 'wmae'],
  ['Haversine Distance', 'haversine'],
  ['NDCG@{K}', null],
  ['Panoptic Quality', 'panoptic_quality'],
  ['Mean Average Precision', null],
  ['Maelstrom Index', null],
];

for (const [name, id] of API_NAMES) {
  test(`Kaggle's display name "${name}" is ${id ?? 'a metric that we cannot compute'}`, (t) => {
    const { metric, asked } = findMetric({ apiMetric: name, pages: [] });
    t.is(metric?.id ?? null, id);
    if (metric) t.like(metric, { display_name: name, source: 'api', proxy: false });
    else t.is(asked, name);
  });
}

const PAGES: [string, string, MetricId | null][] = [
  [
    'a plain sentence',
    'Submissions are evaluated on **area under the ROC curve** between the predicted probability and the target.',
    'auc',
  ],
  [
    'the logarithm of prices',
    'Submissions are evaluated on Root-Mean-Squared-Error (RMSE) between the logarithm of the predicted value and the logarithm of the price.',
    'rmsle',
  ],
  [
    'a link and tags',
    '<p>Your score is the <a href="https://example.com/accuracy">quadratic weighted kappa</a>, which measures agreement.</p>',
    'qwk',
  ],
  ['a denial', 'Submissions are not scored by accuracy. Submissions are evaluated by the macro F1 score.', 'f1_macro'],
  ['a contrast', 'Unlike accuracy, the log loss punishes wrong certainty. Submissions are evaluated using the log loss.', 'logloss'],
  ['a mention before the sentence that decides', 'AUC is popular. Submissions are scored on the mean absolute error.', 'mae'],
  ['several in one sentence: the first decides', 'Submissions are evaluated on RMSE. MAE is used to break ties in the ranking.', 'rmse'],
  ['a longer name around a shorter one', 'Scored on the mean columnwise root mean squared error.', 'rmse_mean_columns'],
  [
    'a word that only contains a name',
    'Submissions are evaluated on how well the maelstrom at Saltstraumen is understood by saucers.',
    null,
  ],
  [
    'masks by precision over overlaps',
    'This competition is evaluated on the mean average precision at different intersection over union (IoU) thresholds.',
    'box_precision',
  ],
  ['masks by F2', 'This competition is evaluated on the F2 Score at different intersection over union (IoU) thresholds.', 'iou_f2'],
  ['a metric that we cannot compute', 'Submissions are evaluated by the Hamming loss.', null],
];

for (const [title, content, id] of PAGES) {
  test(`the Evaluation page: ${title}`, (t) => {
    t.is(fixMetric({ apiMetric: null, pages: [{ name: 'Evaluation', content }] })?.id ?? null, id);
  });
}

test('the API name wins over the page, the Evaluation page over the overview, and rules are not read', (t) => {
  const pages = [
    { name: 'rules', content: 'Submissions are evaluated by accuracy.' },
    { name: 'Description', content: 'Submissions are scored by MAE.' },
    { name: 'Evaluation', content: 'The metric is RMSE.' },
  ];
  t.is(fixMetric({ apiMetric: 'Log Loss', pages })?.id, 'logloss');
  t.like(fixMetric({ apiMetric: null, pages }), { id: 'rmse', source: 'evaluation-page' });
  t.like(fixMetric({ apiMetric: 'Custom metric', pages }), { id: 'rmse' });
  t.like(fixMetric({ apiMetric: '', pages: pages.slice(0, 2) }), { id: 'mae', source: 'overview' });
  t.is(fixMetric({ apiMetric: null, pages: pages.slice(0, 1) }), null);
});

test('an overview that only mentions a metric fixes nothing', (t) => {
  t.is(
    fixMetric({ apiMetric: null, pages: [{ name: 'Overview', content: 'Last year the best teams reached an accuracy of 99 %.' }] }),
    null,
  );
});

test('without a known metric the default follows the target and is flagged as a proxy', (t) => {
  const target = (type: 'binary' | 'multiclass' | 'regression') => ({
    name: 'y',
    type,
    classes: type === 'regression' ? null : ['0', '1'],
  });
  const cases = [
    ['regression', 'value', 'rmse'],
    ['binary', 'probability', 'auc'],
    ['binary', 'label', 'accuracy'],
    ['multiclass', 'label', 'accuracy'],
    ['multiclass', 'class_columns', 'logloss'],
  ] as const;
  for (const [type, form, id] of cases) {
    t.like(defaultMetric({ targets: [target(type)], submission: { ...submission, form } }, 'MAP@3'), {
      id,
      proxy: true,
      display_name: 'MAP@3',
    });
  }
  const f1 = fixMetric({ apiMetric: 'Mean F-Score', pages: [] });
  if (!f1) return t.fail();
  t.like(fitMetric(f1, { targets: [target('multiclass')] }), { id: 'f1_macro', proxy: true });
  t.is(fitMetric(f1, { targets: [target('binary')] }), f1);
  const amex = fixMetric({ apiMetric: 'AMEX Default Rate', pages: [] });
  if (!amex) return t.fail();
  t.like(fitMetric(amex, { targets: [target('multiclass')] }), { id: 'auc', proxy: true });
});

test('how many places count is read from the name, else from the page', (t) => {
  const evaluation = (content: string) => [{ name: 'Evaluation', content }];
  t.like(fixMetric({ apiMetric: 'MAP@7', pages: [] }), { id: 'map_of_classes', k: 7 });
  t.is(
    fixMetric({ apiMetric: 'MAP@{K}', pages: evaluation('Submissions are evaluated according to the MAP@3. It ends at 11:59 PM.') })?.k,
    3,
  );
  t.is(fixMetric({ apiMetric: 'MAP@{K}', pages: evaluation('It ends at 11 PM.') })?.k, null);
  t.is(fixMetric({ apiMetric: 'RMSE', pages: evaluation('not MAP@3') })?.k, null);
});

test('a metric whose weights, queries or targets are missing is replaced by the nearest, and said to be a proxy', (t) => {
  const target = (name: string, type: 'binary' | 'multiclass' | 'regression') => ({
    name,
    type,
    classes: type === 'regression' ? null : ['0', '1'],
  });
  const fit = (name: string, profile: Parameters<typeof fitMetric>[1]) => {
    const metric = fixMetric({ apiMetric: name, pages: [] });
    if (metric === null) throw new Error(name);
    const { id, proxy } = fitMetric(metric, profile);
    return [id, proxy];
  };
  const number = [target('y', 'regression')];
  t.deepEqual(fit('WMAE', { targets: number }), ['mae', true]);
  t.deepEqual(fit('WMAE', { targets: number, weight_column: 'weight' }), ['wmae', false]);
  t.deepEqual(fit('Mean Spearman correlation by era', { targets: number }), ['spearman', true]);
  t.deepEqual(fit('Mean Spearman correlation by era', { targets: number, query_column: 'era' }), ['spearman_by_group', false]);
  t.deepEqual(fit('NDCG by query', { targets: [target('y', 'binary')] }), ['auc', true]);
  t.deepEqual(fit('Haversine distance', { targets: [target('latitude', 'regression'), target('longitude', 'regression')] }), [
    'haversine',
    false,
  ]);
  t.deepEqual(fit('Haversine distance', { targets: [target('longitude', 'regression'), target('latitude', 'regression')] }), [
    'rmse_mean_columns',
    true,
  ]);
  t.deepEqual(fit('F1 samples', { targets: [target('a', 'binary'), target('b', 'binary')] }), ['f1_samples', false]);
  t.deepEqual(fit('F1 samples', { targets: [target('a', 'multiclass')] }), ['f1_macro', true]);
});

test('hostile pages cost little time', (t) => {
  const started = performance.now();
  for (const piece of ['<', '](', '. ', 'not ', 'evaluated ', ' - ', 'root mean ', 'auc ', '\n\n', 'é']) {
    findMetric({ apiMetric: null, pages: [{ name: 'Evaluation', content: piece.repeat(2_000_000 / piece.length) }] });
  }
  t.true(performance.now() - started < 20_000, `${performance.now() - started} ms`);
});

test('every alias names a metric of the protocol and occurs once', (t) => {
  const names = METRIC_NAMES.map(([name]) => name);
  t.is(new Set(names).size, names.length);
  const covered = new Set(METRIC_NAMES.map(([, id]) => id));
  for (const id of METRIC_IDS.filter((one) => !isOfObjectives(one))) t.true(covered.has(id), id);
});
