// The webhook of both peers.

const { isSigned } = require('./auth');
const { insertText } = require('./database');

const TWIML = '<?xml version="1.0" encoding="UTF-8"?><Response></Response>';

/**
 * Verifies and stores an inbound text. Resolves with null if the signature is wrong, and otherwise with the event for
 * the subscribers; the event is null if the text was stored before.
 */
async function receive(path, form, signature) {
  if (!isSigned(path, form, signature)) return null;
  const now = Date.now();
  const stored = insertText(form, now);
  if (!stored) return { event: null };
  return {
    event: {
      cursor: String(stored.message),
      message: {
        id: `msg_${stored.message}`,
        body: form.Body,
        createdAt: new Date(now).toISOString(),
        direction: 'INBOUND',
      },
      thread: { id: `thr_${stored.thread}`, status: 'UNCLAIMED', contact: { phone: form.From } },
    },
  };
}

module.exports = { TWIML, receive };
