// Starts the binary in a temporary folder, on a free port, with a small agency; stops it by its process id.
//
// PARTYLINE_BINARY is the path of the binary (`make` sets it). Default: the debug build of this tree.

import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import { textForm } from './text.js';
import { within } from './wait.js';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const BINARY = path.resolve(process.env.PARTYLINE_BINARY ?? path.join(ROOT, 'target/debug/partyline'));
const START_SECONDS = 60;
// A graceful shutdown may take up to 20 s.
const STOP_SECONDS = 30;

// Texts are signed over this URL. It does not resolve; nothing connects to it.
export const PUBLIC_URL = 'https://partyline.example';
export const ACCOUNT = { sid: 'AC00000000000000000000000000000001', token: 'c11e'.repeat(8) };
export const NUMBER = '+13035550100';
const DIRECTORY = `
agencies:
  - key: acme
    name: Acme Health
    timeZone: America/Denver
    twilio: {accountSid: ${ACCOUNT.sid}, authToken: ${ACCOUNT.token}}
    users:
      - {key: ana, name: Ana Lopez, role: ADMIN}
      - {key: ben, name: Ben Ode}
    phoneNumbers:
      - number: "${NUMBER}"
        label: Front desk
        pool: [{user: ana, primary: true}, {user: ben}]
`;

const running = new Set();
// For test files that end without running their hooks.
process.on('exit', () => running.forEach((child) => child.kill('SIGKILL')));
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1));

/** A folder with a database, and at most one `partyline serve` on it at a time. */
export class Server {
  #child;
  #exited;
  #log = '';

  constructor(folder, settings) {
    this.folder = folder;
    // Settings for another Partyline on this machine are removed.
    const inherited = Object.entries(process.env).filter(([name]) => !/^(PARTYLINE_|TWILIO_|DATABASE_URL$)/.test(name));
    this.environment = {
      ...Object.fromEntries(inherited),
      DATABASE_URL: `sqlite://${folder}/partyline.db?mode=rwc`,
      PARTYLINE_LISTEN: '127.0.0.1:0',
      PARTYLINE_PUBLIC_URL: PUBLIC_URL,
      ...settings,
    };
  }

  /** A running server with the agency above. */
  static async start(settings = {}) {
    const server = new Server(await mkdtemp(path.join(tmpdir(), 'partyline-clients-')), settings);
    try {
      await server.command(['apply', '-'], DIRECTORY);
      await server.serve();
    } catch (error) {
      await server.remove();
      throw error;
    }
    return server;
  }

  /** Starts `serve` and waits until it logs its address. */
  async serve() {
    const child = spawn(BINARY, ['serve'], {
      cwd: this.folder,
      env: this.environment,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    running.add(child);
    this.#child = child;
    this.#exited = new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('exit', (code, signal) => {
        running.delete(child);
        resolve(code ?? signal);
      });
    });
    const began = this.#log.length;
    const serving = new Promise((resolve) => {
      const read = (chunk) => {
        this.#log += chunk;
        const port = /serving address=127\.0\.0\.1:(\d+)/.exec(this.#log.slice(began))?.[1];
        if (port) resolve(Number(port));
      };
      child.stdout.setEncoding('utf8').on('data', read);
      child.stderr.setEncoding('utf8').on('data', read);
    });
    const ended = this.#exited.then((code) => {
      throw new Error(`serve exited during startup with ${code}:\n${this.#log}`);
    });
    ended.catch(() => {}); // it also rejects when the server exits later; nothing awaits it then
    this.port = await within(START_SECONDS, 'the server to listen', Promise.race([serving, ended]));
    this.origin = `http://127.0.0.1:${this.port}`;
    this.url = `${this.origin}/graphql`;
  }

  /** Sends SIGTERM and checks the exit code. The database is kept. */
  async drain() {
    const child = this.#child;
    assert.ok(running.has(child), `the server exited unexpectedly:\n${this.#log}`);
    child.kill('SIGTERM');
    try {
      const code = await within(STOP_SECONDS, 'the server to stop', this.#exited);
      assert.equal(code, 0, `the server exited with ${code} after SIGTERM:\n${this.#log}`);
    } finally {
      child.kill('SIGKILL'); // no effect if the process has exited
    }
  }

  /** Stops the server, checks its log, and removes the folder. */
  async stop() {
    try {
      await this.drain();
      assert.doesNotMatch(this.#log, /panicked| ERROR /, 'the server logged an error');
    } finally {
      await this.remove();
    }
  }

  async remove() {
    this.#child?.kill('SIGKILL');
    await this.#exited?.catch(() => {});
    await rm(this.folder, { recursive: true, force: true });
  }

  /** Runs another command of the binary on the same database; returns its standard output. */
  command(args, input = '') {
    return new Promise((resolve, reject) => {
      const options = { cwd: this.folder, env: this.environment, timeout: START_SECONDS * 1000 };
      const child = execFile(BINARY, args, options, (error, stdout, stderr) =>
        error ? reject(new Error(`partyline ${args.join(' ')}: ${error.message}\n${stderr}`)) : resolve(stdout.trim()),
      );
      child.stdin.on('error', () => {}); // for commands that do not read their input; only the exit code counts
      child.stdin.end(input);
    });
  }

  /** A bearer token of a user. */
  token(user = 'ana', ttl = '1h') {
    return this.command(['token', '--agency', 'acme', '--user', user, '--ttl', ttl]);
  }

  /** Sends a GraphQL request over HTTP as a user, without a client library; returns the data. */
  async ask(query, { user = 'ana', variables } = {}) {
    const answer = await fetch(this.url, {
      method: 'POST',
      headers: { Authorization: `Bearer ${await this.token(user)}`, 'Content-Type': 'application/json' },
      body: JSON.stringify({ query, variables }),
      signal: AbortSignal.timeout(20_000),
    });
    const { data, errors } = await answer.json();
    assert.equal(errors, undefined, JSON.stringify(errors));
    return data;
  }

  /** The current cursor of the log. */
  async cursor() {
    return (await this.ask('{ eventCursor }')).eventCursor;
  }

  /** Posts a text to the webhook as Twilio does; it is stored once this returns. */
  async text(body, { from = '+13035560001', to = NUMBER } = {}) {
    const { form, signature } = textForm({ body, from, to, account: ACCOUNT, publicUrl: PUBLIC_URL });
    const answer = await fetch(`${this.origin}/api/twilio/webhook`, {
      method: 'POST',
      headers: { 'X-Twilio-Signature': signature },
      body: form,
      signal: AbortSignal.timeout(20_000),
    });
    assert.equal(answer.status, 200, `the webhook responded with ${answer.status}: ${await answer.text()}`);
  }
}
