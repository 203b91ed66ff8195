// Checks a token as a browser front end should before it calls an API with it: form, algorithm, type, signature, issuer,
// audience, expiry (RFC 7515, RFC 7519, RFC 8725; access tokens RFC 9068 §4, ID tokens OpenID Connect Core §3.1.3.7).
// It needs nothing but WebCrypto and fetch.

export const algorithm = { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" }; // RS256, RFC 7518 §3.3
const leeway = 30; // seconds that clocks may differ

// encode and decodeBytes are base64url without padding (RFC 7515 §2).
export function encode(bytes) {
  let binary = "";
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

function decodeBytes(text) {
  if (!/^[A-Za-z0-9_-]*$/.test(text)) throw new Error("not base64url");
  const binary = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  const bytes = Uint8Array.from(binary, (c) => c.charCodeAt(0));
  if (encode(bytes) !== text) throw new Error("not the one encoding of these bytes");
  return bytes;
}

function decodeJSON(text) {
  const value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(decodeBytes(text)));
  if (value === null || typeof value !== "object" || Array.isArray(value)) throw new Error("no object");
  return value;
}

// parse takes a token apart, or throws.
export function parse(raw) {
  const parts = raw.split(".");
  if (raw.length > 16384 || parts.length !== 3) throw new Error("not three parts");
  return {
    header: decodeJSON(parts[0]),
    claims: decodeJSON(parts[1]),
    signed: new TextEncoder().encode(parts[0] + "." + parts[1]),
    signature: decodeBytes(parts[2]),
  };
}

// issuerKeys fetches the issuer's key set by discovery (OpenID Connect Discovery 1.0 §4). The document must name exactly this
// issuer.
export async function issuerKeys(issuer) {
  const discovery = await fetchJSON(issuer.replace(/\/$/, "") + "/.well-known/openid-configuration");
  if (discovery.issuer !== issuer) throw new Error("the discovery document names another issuer");
  const set = await fetchJSON(discovery.jwks_uri);
  if (!Array.isArray(set.keys)) throw new Error("no key set");
  return set.keys;
}

async function fetchJSON(url) {
  const answer = await fetch(url, { credentials: "omit", redirect: "error", referrerPolicy: "no-referrer", signal: AbortSignal.timeout(10000) });
  if (!answer.ok) throw new Error(url + " answered " + answer.status);
  return answer.json();
}

// checkToken checks raw against a demand and returns {ok, claims, results}: results has, for each check, true or a word for what
// is wrong. demand is {issuer, audiences, types, client}: one of audiences and one of types must fit; client, if given, is the
// client that an ID token must be for. keys are those of issuerKeys; now is in seconds.
export async function checkToken(raw, demand, keys, now) {
  const results = {};
  let token;
  try {
    token = parse(raw);
  } catch {
    return { ok: false, claims: null, results: { form: "bad_form" } };
  }
  const { header, claims } = token;
  results.form = "crit" in header ? "bad_form" : true; // RFC 7515 §4.1.11: no extension is understood here
  // The checker chooses the algorithm, never the token (RFC 8725 §3.1).
  results.algorithm = header.alg === "RS256" ? true : "bad_algorithm";
  const type = typeof header.typ === "string" ? header.typ.toLowerCase() : "";
  results.type = demand.types.some((t) => t.toLowerCase() === type) ? true : "bad_type";
  results.signature = results.algorithm === true ? await checkSignature(token, keys) : "bad_signature";
  results.issuer = claims.iss === demand.issuer ? true : "bad_issuer";
  const audience = Array.isArray(claims.aud) ? claims.aud : [claims.aud];
  results.audience = audience.some((a) => typeof a === "string" && demand.audiences.includes(a)) ? true : "bad_audience";
  if (demand.client && results.audience === true) {
    if (claims.azp !== undefined ? claims.azp !== demand.client : audience.length > 1) results.audience = "bad_party";
  }
  results.expiry = checkTimes(claims, now);
  return { ok: Object.values(results).every((r) => r === true), claims, results };
}

async function checkSignature({ header, signed, signature }, keys) {
  const fits = (k) => k && k.kty === "RSA" && (k.use === undefined || k.use === "sig") && (k.alg === undefined || k.alg === "RS256");
  const found = keys.filter((k) => fits(k) && k.kid === header.kid);
  if (typeof header.kid !== "string" || found.length === 0) return "no_key";
  for (const { kty, n, e } of found) {
    try {
      if (decodeBytes(n).length < 256) continue; // RS256 needs 2048 bits or more (RFC 7518 §3.3)
      const key = await crypto.subtle.importKey("jwk", { kty, n, e }, algorithm, false, ["verify"]);
      if (await crypto.subtle.verify(algorithm, key, signature, signed)) return true;
    } catch {
      // an unusable key verifies nothing
    }
  }
  return "bad_signature";
}

function checkTimes({ exp, nbf, iat }, now) {
  if (!Number.isFinite(exp)) return "no_expiry";
  if (now >= exp + leeway) return "expired";
  if (nbf !== undefined && !(Number.isFinite(nbf) && nbf <= now + leeway)) return "not_yet";
  if (iat !== undefined && !(Number.isFinite(iat) && iat <= now + leeway)) return "future";
  return true;
}
