// Twilio's signatures and the users' tokens, verified with Node's crypto.

const crypto = require('crypto');

const { PORT, AUTH_TOKEN, JWT_SECRET } = process.env;

/** Whether Twilio signed this form for this path. */
function isSigned(path, form, signature) {
  let signed = `http://127.0.0.1:${PORT}${path}`;
  for (const name of Object.keys(form).sort()) signed += name + form[name];
  const expected = crypto.createHmac('sha1', AUTH_TOKEN).update(signed).digest();
  const given = Buffer.from(signature || '', 'base64');
  return given.length === expected.length && crypto.timingSafeEqual(expected, given);
}

/** The id of the user whose token is in the header, or null. The user key `u07` belongs to the id 7. */
function userOf(authorization) {
  const [head, payload, signature] = (authorization || '').replace(/^Bearer /, '').split('.');
  if (!signature) return null;
  const expected = crypto.createHmac('sha256', JWT_SECRET).update(`${head}.${payload}`).digest();
  if (!crypto.timingSafeEqual(expected, Buffer.from(signature, 'base64url'))) return null;
  const claims = JSON.parse(Buffer.from(payload, 'base64url'));
  return claims.exp > Date.now() / 1000 ? Number(claims.sub.slice(1)) : null;
}

module.exports = { isSigned, userOf };
