import test from 'ava';
import { NOT_A_COMPETITION_URL, competitionRulesUrl, parseCompetitionRef, parseCompetitionUrl } from '#core/kaggle.ts';
import { KaggleError } from '#core/kaggle-error.ts';

const acceptedUrls: [string, string][] = [
  ['https://www.kaggle.com/competitions/titanic', 'titanic'],
  ['https://kaggle.com/competitions/titanic', 'titanic'],
  ['http://www.kaggle.com/c/titanic', 'titanic'],
  ['https://www.kaggle.com/competitions/titanic/', 'titanic'],
  ['https://www.kaggle.com/competitions/titanic/overview/evaluation', 'titanic'],
  ['https://www.kaggle.com/competitions/titanic/discussion/123?sort=hot#latest', 'titanic'],
  ['https://www.kaggle.com/competitions/titanic?returnUrl=%2Fme', 'titanic'],
  ['HTTPS://WWW.KAGGLE.COM/c/AI4Code', 'AI4Code'],
  ['  https://www.kaggle.com/competitions/LANL-Earthquake-Prediction \n', 'LANL-Earthquake-Prediction'],
  [`https://www.kaggle.com/competitions/${'a'.repeat(120)}`, 'a'.repeat(120)],
];
for (const [url, slug] of acceptedUrls) {
  test(`the URL ${url.trim().slice(0, 80)} names its competition`, (t) => {
    t.deepEqual(parseCompetitionUrl(url), { ok: true, slug, url: `https://www.kaggle.com/competitions/${slug}` });
  });
}

const refusedUrls = [
  '',
  'titanic',
  'www.kaggle.com/competitions/titanic',
  '//www.kaggle.com/competitions/titanic',
  'ftp://www.kaggle.com/competitions/titanic',
  'https://kaggle.com.evil.tld/competitions/titanic',
  'https://evil.tld/kaggle.com/competitions/titanic',
  'https://evil.tld/?u=https://www.kaggle.com/competitions/titanic',
  'https://kaggle.com@evil.tld/competitions/titanic',
  'https://me@kaggle.com/competitions/titanic',
  'https://kaggle.com:8443/competitions/titanic',
  'https://kaggle.com./competitions/titanic',
  'https://xkaggle.com/competitions/titanic',
  'https://inclass.kaggle.com/c/titanic',
  'https://ｋaggle.com/competitions/titanic',
  'https://kaggle.com/competitions/',
  'https://kaggle.com/competitions',
  'https://kaggle.com/Competitions/titanic',
  'https://kaggle.com/competitions/-titanic',
  'https://kaggle.com/competitions/tita_nic',
  'https://kaggle.com/competitions/titanic%2Fdata',
  'https://kaggle.com/competitions/titanic/%2e%2e/other',
  'https://kaggle.com/competitions/../datasets/x',
  'https://kaggle.com/competitions/titanic/../other',
  'https://kaggle.com/competitions\\titanic',
  'https://kaggle.com/datasets/competitions/titanic',
  'https://kaggle.com/competitions/titanic\nHost: evil',
  'http://169.254.169.254/competitions/titanic',
  `https://www.kaggle.com/competitions/${'a'.repeat(121)}`,
  `https://www.kaggle.com/competitions/titanic/${'x'.repeat(3000)}`,
];
for (const url of refusedUrls) {
  test(`the text ${JSON.stringify(url.slice(0, 80))} is not a competition's URL`, (t) => {
    t.deepEqual(parseCompetitionUrl(url), { ok: false, message: NOT_A_COMPETITION_URL });
  });
}

const acceptedRefs: [string, string][] = [
  ['titanic', 'titanic'],
  ['AI4Code', 'AI4Code'],
  ['<https://www.kaggle.com/c/titanic>', 'titanic'],
  ['"kaggle.com/competitions/titanic/data"', 'titanic'],
  ['www.kaggle.com/c/titanic', 'titanic'],
  ['https://inclass.kaggle.com/c/my-class', 'my-class'],
  ['inclass.kaggle.com/c/my-class', 'my-class'],
  ['kaggle competitions download -c titanic', 'titanic'],
  ['kaggle c submit -f a.csv --competition titanic -m x', 'titanic'],
];
for (const [text, slug] of acceptedRefs) {
  test(`a person who types ${text} means ${slug}`, (t) => {
    const parsed = parseCompetitionRef(text);
    t.true(parsed.ok);
    t.is(parsed.ok ? parsed.slug : '', slug);
  });
}

for (const text of [
  'https://www.kaggle.com/datasets/a/b',
  '/datasets/x',
  'kaggle.com.evil.tld/c/x',
  '12345',
  '--',
  'a b',
  'https://evil/c/x',
  '../x',
  '',
]) {
  test(`a person who types ${JSON.stringify(text)} is told what to give instead`, (t) => {
    const parsed = parseCompetitionRef(text);
    t.false(parsed.ok);
    t.regex(parsed.ok ? '' : parsed.message, /competitions\/titanic/);
  });
}

test('a page that is not a competition is named for what it is', (t) => {
  const parsed = parseCompetitionRef('https://www.kaggle.com/datasets/someone/something');
  t.regex(parsed.ok ? '' : parsed.message, /Kaggle datasets page/);
});

test('an error says whose turn it is', (t) => {
  t.is(new KaggleError('rules-not-accepted', 'x').turn, 'user');
  t.is(new KaggleError('rate-limited', 'x', { retryAfterMs: 5 }).turn, 'retry-later');
  t.is(new KaggleError('unauthenticated', 'x').turn, 'operator');
});

test('the rules of a competition have a page of their own', (t) => {
  t.is(competitionRulesUrl('titanic'), 'https://www.kaggle.com/competitions/titanic/rules');
});
