// An inbound text as Twilio posts it, signed as it signs
// (https://www.twilio.com/docs/usage/security#validating-requests).

import { createHmac, randomBytes } from 'node:crypto';

/** The form of one text with a unique MessageSid, and its signature. */
export function textForm({ body, from, to, account, publicUrl }) {
  const sid = `SM${randomBytes(16).toString('hex')}`;
  const fields = {
    AccountSid: account.sid,
    ApiVersion: '2010-04-01',
    Body: body,
    From: from,
    MessageSid: sid,
    NumMedia: '0',
    NumSegments: '1',
    SmsMessageSid: sid,
    SmsSid: sid,
    SmsStatus: 'received',
    To: to,
  };
  // The fields are sorted by name, the order in which they are signed, undecoded.
  const signed = `${publicUrl}/api/twilio/webhook` + Object.entries(fields).flat().join('');
  const signature = createHmac('sha1', account.token).update(signed).digest('base64');
  return { form: new URLSearchParams(fields), signature };
}
