// The schema of the last release, `contract.graphql`, on which existing clients rely.
//
//   node contract.js --write    replaces it with the current schema.graphql; only done for a release
//
// It is a file because a fresh clone may lack the release's tag.

import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

import { CriticalityLevel, diff } from '@graphql-inspector/core';
import { buildSchema, parse, print, visit } from 'graphql';

const SCHEMA = new URL('../../schema.graphql', import.meta.url);
const CONTRACT = new URL('contract.graphql', import.meta.url);
const HEAD = '# The schema of the last release, without its descriptions. Written by contract.js.\n\n';

export const schema = () => readFile(SCHEMA, 'utf8');
export const contract = () => readFile(CONTRACT, 'utf8');

/** Describes the changes that break clients of the older schema. Empty if there are none. */
export async function breaking(older, newer) {
  const changes = await diff(buildSchema(older), buildSchema(newer));
  const breaks = ({ criticality }) => criticality.level === CriticalityLevel.Breaking;
  return changes.filter(breaks).map(({ message }) => message);
}

/** The schema without descriptions, which no program depends on. */
export function bare(sdl) {
  const plain = visit(parse(sdl), {
    enter: (node) => ('description' in node && node.description ? { ...node, description: undefined } : undefined),
  });
  return `${HEAD}${print(plain)}\n`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  if (process.argv[2] !== '--write') throw new Error('Usage: node contract.js --write');
  await writeFile(CONTRACT, bare(await schema()));
}
