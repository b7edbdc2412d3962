// The schema of the last release, `contract.graphql`: what clients that are out there rely on.
//
//   node contract.js --write    takes today's schema.graphql for it; part of making a release, and of nothing else
//
// It is a file because a fresh clone need not have the release's tag.

import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

import { CriticalityLevel, diff } from '@graphql-inspector/core';
import { buildSchema, parse, print, visit } from 'graphql';

const SCHEMA = new URL('../../schema.graphql', import.meta.url);
const CONTRACT = new URL('contract.graphql', import.meta.url);
const HEAD = '# The schema of the last release, without its descriptions. Written by contract.js.\n\n';

export const schema = () => readFile(SCHEMA, 'utf8');
export const contract = () => readFile(CONTRACT, 'utf8');

/** What a client of the older schema would stumble over in the newer, in words. Empty if it would not. */
export async function breaking(older, newer) {
  const changes = await diff(buildSchema(older), buildSchema(newer));
  const breaks = ({ criticality }) => criticality.level === CriticalityLevel.Breaking;
  return changes.filter(breaks).map(({ message }) => message);
}

/** Without descriptions, which nobody's program reads. */
export function bare(sdl) {
  const plain = visit(parse(sdl), {
    enter: (node) => ('description' in node && node.description ? { ...node, description: undefined } : undefined),
  });
  return `${HEAD}${print(plain)}\n`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  if (process.argv[2] !== '--write') throw new Error('contract.js takes --write, or is imported');
  await writeFile(CONTRACT, bare(await schema()));
}
