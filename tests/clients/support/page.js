// A web page of another origin than the API's, and the browser that opens it.

import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import http from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { chromium } from 'playwright-core';

const CHROMIUM = '/usr/bin/chromium'; // Debian's
// Disables everything but the pages that the tests open: accounts, updates, telemetry.
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** Serves one empty page; its URL determines the origin of its scripts. */
export async function servePage() {
  const server = http.createServer((_, response) => {
    response.writeHead(200, { 'Content-Type': 'text/html; charset=utf-8' });
    response.end('<!doctype html><title>A page of somebody</title><iframe name="answer"></iframe>');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    origin: `http://127.0.0.1:${server.address().port}`,
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}

/** A headless Chromium with a fresh profile. Fails if it is not installed, instead of skipping the tests. */
export async function openBrowser() {
  const profile = await mkdtemp(path.join(tmpdir(), 'partyline-browser-'));
  const remove = () => rm(profile, { recursive: true, force: true, maxRetries: 5 });
  let context;
  try {
    context = await chromium.launchPersistentContext(profile, {
      executablePath: CHROMIUM,
      headless: true,
      args: FLAGS,
      timeout: 60_000,
    });
  } catch (error) {
    await remove();
    throw error;
  }
  context.setDefaultTimeout(20_000);
  return { context, close: () => context.close().finally(remove) };
}
