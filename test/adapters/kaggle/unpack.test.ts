import { createWriteStream } from 'node:fs';
import { access, readdir, readFile, writeFile, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { gzipSync } from 'node:zlib';
import { buffer } from 'node:stream/consumers';
import test, { type ExecutionContext } from 'ava';
import { ZipFile } from 'yazl';
import { unpackArchive } from '#adapters/kaggle/unpack.ts';
import type { UnpackLimits } from '#core/kaggle.ts';
import { makeTempDir } from '#test/_support/kaggle-stand-in.ts';

type Member = [name: string, content: string | Buffer, mode?: number];

function pack(members: Member[]): ZipFile {
  const zip = new ZipFile();
  for (const [name, content, mode] of members) zip.addBuffer(Buffer.from(content), name, mode === undefined ? {} : { mode });
  zip.end();
  return zip;
}

async function packBytes(members: Member[]): Promise<Buffer> {
  return buffer(pack(members).outputStream);
}

/** Write an archive; `rename` then swaps bytes in it, so that names no packer writes can be tested. */
async function writeArchive(
  t: ExecutionContext,
  members: Member[],
  rename: [string, string][] = [],
): Promise<{ archive: string; out: string; dir: string }> {
  const dir = await makeTempDir(t);
  const archive = join(dir, 'bundle.zip');
  await pipeline(pack(members).outputStream, createWriteStream(archive));
  for (const [from, to] of rename) {
    const bytes = await readFile(archive, 'latin1');
    await writeFile(archive, bytes.replaceAll(from, to), 'latin1');
  }
  return { archive, out: join(dir, 'out'), dir };
}

async function refuses(
  t: ExecutionContext,
  made: { archive: string; out: string; dir: string },
  rule: RegExp,
  limits: Partial<UnpackLimits> = {},
): Promise<void> {
  await t.throwsAsync(unpackArchive(made.archive, made.out, { limits }), { name: 'KaggleError', message: rule });
  await t.throwsAsync(access(made.out));
  t.deepEqual(await readdir(made.dir), ['bundle.zip'], 'nothing is left behind');
}

test('files and folders come out as they went in', async (t) => {
  const { archive, out } = await writeArchive(t, [
    ['train.csv', 'id,y\n1,2\n'],
    ['images/a/1.png', 'png'],
    ['leer.txt', ''],
  ]);
  t.deepEqual(await unpackArchive(archive, out), [
    { path: 'images/a/1.png', bytes: 3 },
    { path: 'leer.txt', bytes: 0 },
    { path: 'train.csv', bytes: 9 },
  ]);
  t.is(await readFile(join(out, 'train.csv'), 'utf8'), 'id,y\n1,2\n');
});

test('archives inside the archive are opened one level deep', async (t) => {
  const deep = await packBytes([['inner.csv', 'x']]);
  const { archive, out } = await writeArchive(t, [
    ['train.csv.zip', await packBytes([['train.csv', 'a']])],
    ['test.csv.gz', gzipSync('b')],
    [
      'pictures.zip',
      await packBytes([
        ['1.png', '1'],
        ['2.png', '2'],
      ]),
    ],
    [
      'sounds.zip',
      await packBytes([
        ['sounds/1.wav', '1'],
        ['sounds/2.wav', '2'],
      ]),
    ],
    ['deep.zip', await packBytes([['deep.csv.zip', deep]])],
    ['kept.tar.gz', gzipSync('tar')],
    ['not-a.zip', 'plain text'],
  ]);
  const files = (await unpackArchive(archive, out)).map((file) => file.path);
  t.deepEqual(files, [
    'deep.csv.zip',
    'kept.tar.gz',
    'not-a.zip',
    'pictures/1.png',
    'pictures/2.png',
    'sounds/1.wav',
    'sounds/2.wav',
    'test.csv',
    'train.csv',
  ]);
  t.is(await readFile(join(out, 'test.csv'), 'utf8'), 'b');
});

test('an inner archive whose file is already there stays beside it in a folder of its own', async (t) => {
  const { archive, out } = await writeArchive(t, [
    ['train.csv', 'outer'],
    ['more.zip', await packBytes([['train.csv', 'inner']])],
    ['train.csv.gz', gzipSync('again')],
  ]);
  const files = (await unpackArchive(archive, out)).map((file) => file.path);
  t.deepEqual(files, ['more/train.csv', 'train.csv', 'train.csv.gz']);
  t.is(await readFile(join(out, 'train.csv'), 'utf8'), 'outer');
});

const hostileNames: [string, string][] = [
  ['../evil.csv', 'xx/evil.csv'],
  ['/etc/evil.csv', 'xetc/evil.csv'],
  ['a/../../b.csv', 'a/xx/xx/b.csv'],
  ['C:/evil.csv', 'xx/evil.csv'],
  ['a\\..\\b.csv', 'axxxxxb.csv'],
  ['./evil.csv', 'x/evil.csv'],
  ['a//evil.csv', 'ax/evil.csv'],
  ['ev\u0001l.csv', 'evil.csv'],
  ['ev\u0000l.csv', 'evil.csv'],
];
for (const [name, written] of hostileNames) {
  test(`an entry named ${JSON.stringify(name)} refuses the archive`, async (t) => {
    await refuses(
      t,
      await writeArchive(
        t,
        [
          ['ok.csv', 'fine'],
          [written, 'bad'],
        ],
        [[written, name]],
      ),
      /not unpacked/,
    );
  });
}

test('two entries with one name refuse the archive', async (t) => {
  await refuses(
    t,
    await writeArchive(
      t,
      [
        ['aa.csv', '1'],
        ['ab.csv', '2'],
      ],
      [['ab.csv', 'aa.csv']],
    ),
    /same name/,
  );
});

test('names that differ only in case refuse the archive', async (t) => {
  await refuses(
    t,
    await writeArchive(t, [
      ['a.csv', '1'],
      ['A.csv', '2'],
    ]),
    /differ only in case/,
  );
});

test('folders that differ only in case refuse the archive', async (t) => {
  await refuses(
    t,
    await writeArchive(t, [
      ['dir/1', '1'],
      ['Dir/2', '2'],
    ]),
    /differ only in case/,
  );
});

test('a file that is also a folder refuses the archive', async (t) => {
  await refuses(
    t,
    await writeArchive(t, [
      ['a', '1'],
      ['a/b', '2'],
    ]),
    /same name/,
  );
});

for (const [kind, mode] of [
  ['link', 0o120777],
  ['device', 0o060644],
  ['pipe', 0o010644],
] as const) {
  test(`a ${kind} refuses the archive`, async (t) => {
    await refuses(t, await writeArchive(t, [['target', '/etc/passwd', mode]]), /link, a device/);
  });
}

test('a link inside an inner archive refuses the whole archive', async (t) => {
  await refuses(t, await writeArchive(t, [['in.zip', await packBytes([['l', '/etc/passwd', 0o120777]])]]), /link, a device/);
});

test('too many entries refuse the archive', async (t) => {
  await refuses(
    t,
    await writeArchive(t, [
      ['a', ''],
      ['b', ''],
      ['c', ''],
    ]),
    /more than 2 entries/,
    { maxEntries: 2 },
  );
});

test('the entries of inner archives count too', async (t) => {
  await refuses(
    t,
    await writeArchive(t, [
      [
        'in.zip',
        await packBytes([
          ['a', ''],
          ['b', ''],
          ['c', ''],
        ]),
      ],
    ]),
    /more than 3 entries/,
    { maxEntries: 3 },
  );
});

test('a file or a total over the limit refuses the archive', async (t) => {
  const members: Member[] = [
    ['a', 'x'.repeat(600)],
    ['b', 'x'.repeat(600)],
  ];
  await refuses(t, await writeArchive(t, members), /larger than 500 bytes/, { maxFileBytes: 500 });
  await refuses(t, await writeArchive(t, members), /more than 1000 bytes/, { maxTotalBytes: 1000 });
});

test('a bomb is refused by its ratio, in a zip and in a gz inside it', async (t) => {
  const zeros = Buffer.alloc(80 * 1024 * 1024);
  await refuses(t, await writeArchive(t, [['zeros', zeros]]), /200 times its size/);
  await refuses(t, await writeArchive(t, [['zeros.gz', gzipSync(zeros)]]), /200 times its size/);
});

test('a broken archive is refused in words', async (t) => {
  const dir = await makeTempDir(t);
  const archive = join(dir, 'bundle.zip');
  await writeFile(archive, 'PK\u0003\u0004 this is no zip');
  await refuses(t, { archive, out: join(dir, 'out'), dir }, /not a readable zip/);
});

test('damaged data refuse the archive', async (t) => {
  const { archive, out, dir } = await writeArchive(t, [['a.csv', 'hello hello hello hello hello hello']]);
  const bytes = await readFile(archive);
  bytes.fill(0xff, 40, 48);
  await writeFile(archive, bytes);
  await refuses(t, { archive, out, dir }, /broken/);
});

test('a folder that holds something is not unpacked into', async (t) => {
  const { archive, out } = await writeArchive(t, [['a', '1']]);
  await mkdir(out);
  await writeFile(join(out, 'mine'), 'mine');
  await t.throwsAsync(unpackArchive(archive, out), { message: /not empty/ });
  t.deepEqual(await readdir(out), ['mine']);
});

test('an abort ends the unpacking and leaves nothing', async (t) => {
  const { archive, out, dir } = await writeArchive(t, [['a', '1']]);
  await t.throwsAsync(unpackArchive(archive, out, { signal: AbortSignal.abort() }), { name: 'AbortError' });
  t.deepEqual(await readdir(dir), ['bundle.zip']);
});
