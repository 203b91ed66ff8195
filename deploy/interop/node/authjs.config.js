export const config = {
  providers: [{
    id: 'maru',
    name: 'Maru',
    type: 'oidc',
    issuer: process.env.AUTH_MARU_ISSUER,
    clientId: process.env.AUTH_MARU_ID,
    clientSecret: process.env.AUTH_MARU_SECRET,
    checks: ['pkce', 'state', 'nonce'],
  }],
}
