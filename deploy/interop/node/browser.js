// An app in the browser by the package oidc-client-ts: #state tells what happened last, #out shows the person.
const manager = new oidc.UserManager({
  authority: settings.issuer,
  client_id: settings.client,
  redirect_uri: location.origin + '/callback',
  post_logout_redirect_uri: location.origin + '/after',
  scope: 'openid profile email offline_access',
  loadUserInfo: !settings.dpop, // it calls userinfo by the scheme Bearer alone
  automaticSilentRenew: false,
  dpop: settings.dpop ? { bind_authorization_code: true, store: new oidc.IndexedDbDPoPStore() } : undefined,
})

const say = text => { document.getElementById('state').textContent = text }

async function show(user) {
  const { access_token, refresh_token, token_type, profile } = user
  if (settings.dpop) {
    const url = await manager.metadataService.getUserInfoEndpoint()
    const headers = { Authorization: `DPoP ${access_token}`, DPoP: await manager.dpopProof(url, user, 'GET') }
    Object.assign(profile, await (await fetch(url, { headers })).json())
  }
  document.getElementById('out').textContent = JSON.stringify({ access_token, refresh_token, token_type, ...profile })
}

async function attempt(what, action) {
  try {
    await action()
    say(what)
  } catch (error) {
    say(`${what} failed: ${error.name}: ${error.message}`)
  }
}

function on(id, what, action) {
  document.getElementById(id).addEventListener('click', () => attempt(what, action))
}

on('go-login', 'leaving', () => manager.signinRedirect())
on('go-renew', 'renewed', async () => show(await manager.signinSilent()))
on('go-revoke', 'revoked', () => manager.revokeTokens(['refresh_token']))
on('go-logout', 'leaving', () => manager.signoutRedirect())

switch (location.pathname) {
  case '/callback':
    attempt('logged in', async () => show(await manager.signinRedirectCallback()))
    break
  case '/after':
    attempt('logged out', () => manager.signoutRedirectCallback())
    break
  default:
    say('ready')
}
