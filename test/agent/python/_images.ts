import { crc32, deflateSync } from 'node:zlib';

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const frame = Buffer.alloc(8);
  frame.writeUInt32BE(data.length, 0);
  frame.writeUInt32BE(crc32(body), 4);
  return Buffer.concat([frame.subarray(0, 4), body, frame.subarray(4)]);
}

/** A PNG file of grey levels, one a pixel, in rows. */
export function makePng(width: number, height: number, level: (x: number, y: number) => number): Uint8Array {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 0, 0, 0, 0], 8);
  const pixels = Buffer.alloc(height * (width + 1));
  for (let y = 0; y < height; y += 1) for (let x = 0; x < width; x += 1) pixels[y * (width + 1) + 1 + x] = level(x, y);
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  return Buffer.concat([signature, chunk('IHDR', header), chunk('IDAT', deflateSync(pixels)), chunk('IEND', Buffer.alloc(0))]);
}

/** Run lengths down the columns, from 1, of the pixels that are marked. */
export function encodeRuns(width: number, height: number, isMarked: (x: number, y: number) => boolean): string {
  const runs: number[] = [];
  let before = false;
  for (let at = 0; at < width * height; at += 1) {
    const now = isMarked(Math.floor(at / height), at % height);
    if (now && !before) runs.push(at + 1, 1);
    else if (now) runs[runs.length - 1] = (runs.at(-1) ?? 0) + 1;
    before = now;
  }
  return runs.join(' ');
}
