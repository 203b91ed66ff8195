// node-oidc-provider, with its storage in memory, to be measured beside Maru. Access tokens are
// JWTs, as Maru's are. GET /prepare?n=10 answers with ten codes.
import { generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';
import Provider from 'oidc-provider';

const port = Number(process.argv[2]);
const issuer = `http://localhost:${port}`;
const api = 'https://api.example/comparison';
// What the driver knows as well.
const redirectURI = 'http://localhost:1/callback';
const challenge = 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM'; // RFC 7636, appendix B
const scope = 'openid profile email offline_access';

const key = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'jwk' });

// The adapter that comes with it forgets all but the last thousand entries. This one forgets none.
const entries = new Map();
const byUid = new Map();
const grants = new Map();

class Memory {
  constructor(name) { this.name = name; }

  key(id) { return `${this.name}:${id}`; }

  async upsert(id, payload) {
    const key = this.key(id);
    entries.set(key, payload);
    if (payload.uid) byUid.set(payload.uid, id);
    if (payload.grantId) {
      if (!grants.has(payload.grantId)) grants.set(payload.grantId, []);
      grants.get(payload.grantId).push(key);
    }
  }

  async find(id) { return entries.get(this.key(id)); }

  async findByUid(uid) { return this.find(byUid.get(uid)); }

  async findByUserCode() { return undefined; }

  async consume(id) { entries.get(this.key(id)).consumed = Math.floor(Date.now() / 1000); }

  async destroy(id) { entries.delete(this.key(id)); }

  async revokeByGrantId(grantId) {
    for (const key of grants.get(grantId) ?? []) entries.delete(key);
    grants.delete(grantId);
  }
}

const provider = new Provider(issuer, {
  adapter: Memory,
  jwks: { keys: [{ ...key, alg: 'RS256', use: 'sig', kid: 'one' }] },
  clients: [
    {
      client_id: 'service', client_secret: 'service-secret-of-the-comparison', redirect_uris: [], response_types: [],
      grant_types: ['client_credentials'], token_endpoint_auth_method: 'client_secret_basic',
    },
    {
      client_id: 'app', client_secret: 'app-secret-of-the-comparison', redirect_uris: [redirectURI], response_types: ['code'],
      grant_types: ['authorization_code', 'refresh_token'], token_endpoint_auth_method: 'client_secret_basic',
    },
  ],
  claims: { email: ['email'], profile: ['name'] },
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, name: 'Somebody', email: 'somebody@example.com' }) }),
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: false },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => api,
      useGrantedResource: () => true,
      getResourceServerInfo: () => ({
        scope: 'api:read', audience: api, accessTokenTTL: 600, accessTokenFormat: 'jwt', jwt: { sign: { alg: 'RS256' } },
      }),
    },
  },
  rotateRefreshToken: true,
  ttl: { AuthorizationCode: 600, Grant: 86400, RefreshToken: 86400, IdToken: 600, ClientCredentials: 600 },
});

// code is what somebody who has logged in would bring back.
async function code() {
  const client = await provider.Client.find('app');
  const grant = new provider.Grant({ accountId: 'somebody', clientId: 'app' });
  grant.addOIDCScope(scope);
  grant.addResourceScope(api, 'api:read');
  const grantId = await grant.save();
  return new provider.AuthorizationCode({
    accountId: 'somebody', client, grantId, gty: 'authorization_code', redirectUri: redirectURI, scope: `${scope} api:read`, resource: api,
    nonce: 'a-nonce', authTime: Math.floor(Date.now() / 1000), codeChallenge: challenge, codeChallengeMethod: 'S256',
  }).save();
}

// interaction logs somebody in who has no session yet, without a page.
async function interaction(req, res) {
  const grant = new provider.Grant({ accountId: 'somebody', clientId: 'app' });
  grant.addOIDCScope(scope);
  grant.addResourceScope(api, 'api:read');
  const grantId = await grant.save();
  await provider.interactionFinished(req, res, { login: { accountId: 'somebody' }, consent: { grantId } }, { mergeWithLastSubmission: false });
}

const handle = provider.callback();
createServer(async (req, res) => {
  const url = new URL(req.url, issuer);
  try {
    if (url.pathname.startsWith('/interaction/')) {
      await interaction(req, res);
      return;
    }
    if (url.pathname !== '/prepare') {
      handle(req, res);
      return;
    }
    const codes = [];
    for (let i = 0; i < Number(url.searchParams.get('n')); i++) codes.push(await code());
    res.end(`${codes.join('\n')}\n`);
  } catch (err) {
    res.statusCode = 500;
    res.end(String(err));
  }
}).listen(port, '127.0.0.1');
