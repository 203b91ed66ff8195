// Walks an OpenID provider by the package openid-client, which checks every answer as the specifications say.
//
// Argument: the issuer. What needs a person or an operator is asked for by a line of JSON on standard output, and answered
// by one on standard input: {do: 'visit', url} with {url}, where the browser came back to the client; {do: 'register',
// client} with {}; {do: 'device', url, code} with {}. {done} tells what went well. Anything wrong ends the script with a message.
import assert from 'node:assert/strict'
import { createInterface } from 'node:readline'
import * as oidc from 'openid-client'

const issuer = new URL(process.argv[2])
const callback = 'https://client.example/callback' // nobody goes there: the browser stops
const insecure = { execute: [oidc.allowInsecureRequests] } // the issuer is on loopback

const answers = createInterface({ input: process.stdin })[Symbol.asyncIterator]()

async function ask(question) {
  console.log(JSON.stringify(question))
  const { value, done } = await answers.next()
  assert(!done, 'no answer')
  return JSON.parse(value)
}

const done = name => console.log(JSON.stringify({ done: name }))

const random = () => oidc.randomState()

// keyPair is a signing key, and its public part as a key set.
async function keyPair(alg) {
  const algorithm = {
    RS256: { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256', modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]) },
    PS256: { name: 'RSA-PSS', hash: 'SHA-256', modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]) },
    ES256: { name: 'ECDSA', namedCurve: 'P-256' },
    EdDSA: { name: 'Ed25519' },
    Ed25519: { name: 'Ed25519' },
  }[alg]
  const { privateKey, publicKey } = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
  const { key_ops, ext, ...jwk } = await crypto.subtle.exportKey('jwk', publicKey)
  const kid = random()
  return { private: { key: privateKey, kid }, jwks: { keys: [{ ...jwk, kid, alg, use: 'sig' }] } }
}

// register makes a client known, and returns its configuration.
async function register(metadata, auth) {
  const client = {
    client_id: 'c' + random(), client_name: 'openid-client', redirect_uris: [callback], grant_types: ['authorization_code', 'refresh_token'],
    scope: 'openid profile email offline_access', ...metadata,
  }
  await ask({ do: 'register', client })
  const { client_id, client_secret, jwks, ...known } = client
  return oidc.discovery(issuer, client_id, known, auth, insecure)
}

// refuses expects the answer of an OAuth error.
const refuses = (error, promise) => assert.rejects(promise, e => e.error === error || assert.fail(`${e.error ?? e}, want ${error}`))

// logIn runs the authorization code flow; build makes the URL out of the parameters.
async function logIn(config, build, parameters = {}, options = {}) {
  const verifier = oidc.randomPKCECodeVerifier()
  const checks = { pkceCodeVerifier: verifier, expectedState: random(), expectedNonce: oidc.randomNonce(), idTokenExpected: true }
  const url = await build(config, {
    redirect_uri: callback, scope: 'openid profile email offline_access', state: checks.expectedState, nonce: checks.expectedNonce,
    code_challenge: await oidc.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256', ...parameters,
  })
  const { url: back } = await ask({ do: 'visit', url: url.href })
  const tokens = await oidc.authorizationCodeGrant(config, new URL(back), checks, undefined, options)
  assert(tokens.access_token && tokens.refresh_token && tokens.claims().sub)
  return tokens
}

// useAndRefresh calls userinfo, refreshes, and calls it again.
async function useAndRefresh(config, tokens, options = {}) {
  const subject = tokens.claims().sub
  const info = await oidc.fetchUserInfo(config, tokens.access_token, subject, options)
  assert.equal(info.name, '김마루')
  const refreshed = await oidc.refreshTokenGrant(config, tokens.refresh_token, undefined, options)
  assert.notEqual(refreshed.access_token, tokens.access_token)
  assert.equal(refreshed.claims().sub, subject)
  assert.equal(refreshed.claims().auth_time, tokens.claims().auth_time)
  await oidc.fetchUserInfo(config, refreshed.access_token, subject, options)
  return { ...refreshed, id_token: refreshed.id_token }
}

async function confidential() {
  // The characters are those that must be encoded in HTTP Basic authentication (RFC 6749 §2.3.1).
  const secret = random() + '+/%:&=' + random()
  for (const [method, auth] of [['client_secret_basic', oidc.ClientSecretBasic(secret)], ['client_secret_post', oidc.ClientSecretPost(secret)]]) {
    const after = 'https://client.example/after'
    const config = await register({
      client_secret: secret, token_endpoint_auth_method: method, post_logout_redirect_uris: [after], audiences: ['http://localhost:8000/user'],
    }, auth)
    const tokens = await logIn(config, oidc.buildAuthorizationUrl, { max_age: '3600' })
    const refreshed = await useAndRefresh(config, tokens)
    const told = await oidc.tokenIntrospection(config, refreshed.access_token)
    assert.equal(told.active, true)
    assert.equal(told.sub, tokens.claims().sub)
    assert.equal(told.client_id, config.clientMetadata().client_id)
    await oidc.tokenRevocation(config, refreshed.refresh_token, { token_type_hint: 'refresh_token' })
    assert.equal((await oidc.tokenIntrospection(config, refreshed.access_token)).active, false)
    await refuses('invalid_grant', oidc.refreshTokenGrant(config, refreshed.refresh_token))

    const state = random()
    const end = oidc.buildEndSessionUrl(config, { id_token_hint: refreshed.id_token, post_logout_redirect_uri: after, state })
    const { url } = await ask({ do: 'visit', url: end.href })
    assert.equal(url, `${after}?state=${state}`)
    done(method)
  }
}

async function signedIntrospection() {
  const secret = random()
  const config = await register({
    client_secret: secret, token_endpoint_auth_method: 'client_secret_basic', introspection_signed_response_alg: 'ES256',
  }, oidc.ClientSecretBasic(secret))
  oidc.enableNonRepudiationChecks(config)
  const tokens = await logIn(config, oidc.buildAuthorizationUrl)
  assert.equal((await oidc.tokenIntrospection(config, tokens.access_token)).active, true)
  assert.equal((await oidc.tokenIntrospection(config, 'nothing')).active, false)
  done('signed introspection')
}

async function publicWithDPoP() {
  const config = await register({ token_endpoint_auth_method: 'none', dpop_bound_access_tokens: true }, oidc.None())
  await refuses('invalid_dpop_proof', logIn(config, oidc.buildAuthorizationUrl))
  for (const alg of ['ES256', 'PS256', 'RS256', 'Ed25519']) {
    const DPoP = oidc.getDPoPHandle(config, await oidc.randomDPoPKeyPair(alg))
    const tokens = await logIn(config, oidc.buildAuthorizationUrl, { dpop_jkt: await DPoP.calculateThumbprint() }, { DPoP })
    assert.equal(tokens.token_type, 'dpop')
    const refreshed = await useAndRefresh(config, tokens, { DPoP })
    const other = oidc.getDPoPHandle(config, await oidc.randomDPoPKeyPair('ES256'))
    await assert.rejects(oidc.refreshTokenGrant(config, refreshed.refresh_token, undefined, { DPoP: other }))
    await assert.rejects(oidc.fetchUserInfo(config, refreshed.access_token, tokens.claims().sub, { DPoP: other }))
    await assert.rejects(oidc.fetchUserInfo(config, refreshed.access_token, tokens.claims().sub))
  }
  done('DPoP')
}

async function privateKeyJWT() {
  for (const alg of ['RS256', 'PS256', 'ES256', 'EdDSA', 'Ed25519']) {
    const options = alg === 'EdDSA' ? { [oidc.modifyAssertion]: plainEdDSA } : {}
    const keys = await keyPair(alg)
    const config = await register({
      token_endpoint_auth_method: 'private_key_jwt', token_endpoint_auth_signing_alg: alg, jwks: keys.jwks, request_object_signing_alg: alg,
      id_token_signed_response_alg: alg, userinfo_signed_response_alg: alg,
    }, oidc.PrivateKeyJwt(keys.private, options))
    oidc.enableNonRepudiationChecks(config)
    await useAndRefresh(config, await logIn(config, oidc.buildAuthorizationUrlWithPAR))
    const signed = (config, parameters) => oidc.buildAuthorizationUrlWithJAR(config, parameters, keys.private, options)
    await useAndRefresh(config, await logIn(config, signed))
    done(`private_key_jwt, PAR, JAR and signed answers by ${alg}`)
  }
}

// plainEdDSA names Ed25519 as RFC 8037 does, instead of by RFC 9864's newer name.
function plainEdDSA(header) {
  if (header.alg === 'Ed25519') header.alg = 'EdDSA'
}

async function fapi2() {
  const keys = await keyPair('ES256')
  const config = await register({
    profile: 'fapi2', token_endpoint_auth_method: 'private_key_jwt', jwks: keys.jwks, dpop_bound_access_tokens: true,
    id_token_signed_response_alg: 'ES256', authorization_signed_response_alg: 'ES256', request_object_signing_alg: 'ES256', require_signed_request_object: true,
  }, oidc.PrivateKeyJwt(keys.private))
  oidc.enableNonRepudiationChecks(config)
  oidc.useJwtResponseMode(config)
  const DPoP = oidc.getDPoPHandle(config, await oidc.randomDPoPKeyPair('ES256'))
  const build = async (config, parameters) => {
    const signed = await oidc.buildAuthorizationUrlWithJAR(config, parameters, keys.private)
    return oidc.buildAuthorizationUrlWithPAR(config, signed.searchParams, { DPoP })
  }
  const tokens = await logIn(config, build, {}, { DPoP })
  const refreshed = await useAndRefresh(config, tokens, { DPoP })
  await useAndRefresh(config, { ...refreshed, claims: tokens.claims }, { DPoP })
  await refuses('invalid_request', oidc.buildAuthorizationUrlWithPAR(config, { redirect_uri: callback, scope: 'openid' }, { DPoP }))
  done('FAPI 2.0 with message signing')
}

async function clientCredentials() {
  const keys = await keyPair('ES256')
  const config = await register({
    token_endpoint_auth_method: 'private_key_jwt', jwks: keys.jwks, grant_types: ['client_credentials'], redirect_uris: undefined, scope: 'user:lookup',
  }, oidc.PrivateKeyJwt(keys.private))
  const tokens = await oidc.clientCredentialsGrant(config, { scope: 'user:lookup', resource: 'http://localhost:8000/user' })
  assert.equal(tokens.token_type, 'bearer')
  await refuses('invalid_scope', oidc.clientCredentialsGrant(config, { scope: 'board:write' }))
  await refuses('invalid_target', oidc.clientCredentialsGrant(config, { resource: 'http://localhost:8000/other' }))
  done('client credentials')
}

async function tokenExchange() {
  const [board, user] = ['http://localhost:8000/board', 'http://localhost:8000/user']
  const app = await register({ token_endpoint_auth_method: 'none', scope: 'openid profile offline_access user:read board:read' }, oidc.None())
  const tokens = await logIn(app, oidc.buildAuthorizationUrl, { scope: 'openid profile offline_access user:read board:read' })
  const secret = random()
  const service = await register({
    client_secret: secret, token_endpoint_auth_method: 'client_secret_basic', redirect_uris: undefined, scope: 'user:read',
    grant_types: ['urn:ietf:params:oauth:grant-type:token-exchange'], audiences: [board], token_exchange_audiences: [user],
  }, oidc.ClientSecretBasic(secret))
  const exchange = parameters => oidc.genericGrantRequest(service, 'urn:ietf:params:oauth:grant-type:token-exchange', {
    subject_token: tokens.access_token, subject_token_type: 'urn:ietf:params:oauth:token-type:access_token', ...parameters,
  })
  const exchanged = await exchange({ resource: user, scope: 'user:read' })
  assert.equal(exchanged.issued_token_type, 'urn:ietf:params:oauth:token-type:access_token')
  assert.equal(exchanged.scope ?? 'user:read', 'user:read')
  await refuses('invalid_scope', exchange({ resource: user, scope: 'user:write' }))
  await refuses('invalid_target', exchange({ resource: 'http://localhost:8000/other' }))
  done('token exchange')
}

async function device() {
  const config = await register({
    token_endpoint_auth_method: 'none', grant_types: ['urn:ietf:params:oauth:grant-type:device_code', 'refresh_token'], redirect_uris: undefined,
  }, oidc.None())
  const begun = await oidc.initiateDeviceAuthorization(config, { scope: 'openid profile offline_access' })
  const [tokens] = await Promise.all([
    oidc.pollDeviceAuthorizationGrant(config, begun),
    ask({ do: 'device', url: begun.verification_uri_complete ?? begun.verification_uri, code: begun.user_code }),
  ])
  await useAndRefresh(config, tokens)
  done('device authorization')
}

async function registration() {
  const config = await oidc.dynamicClientRegistration(issuer, {
    client_name: 'Registered by itself', redirect_uris: [callback], grant_types: ['authorization_code', 'refresh_token'],
    token_endpoint_auth_method: 'client_secret_post', subject_type: 'pairwise',
  }, oidc.ClientSecretPost(), insecure)
  const known = config.clientMetadata()
  assert(known.client_id && known.client_secret && known.registration_access_token && known.registration_client_uri)
  await useAndRefresh(config, await logIn(config, oidc.buildAuthorizationUrl))

  const authorized = { Authorization: `Bearer ${known.registration_access_token}` }
  const read = await fetch(known.registration_client_uri, { headers: authorized })
  assert.equal(read.status, 200)
  assert.equal((await read.json()).client_name, 'Registered by itself')
  const removed = await fetch(known.registration_client_uri, { method: 'DELETE', headers: authorized })
  assert.equal(removed.status, 204)
  await assert.rejects(oidc.clientCredentialsGrant(config), { status: 401 })
  done('registration')
}

const all = [confidential, publicWithDPoP, privateKeyJWT, fapi2, clientCredentials, signedIntrospection, tokenExchange, device, registration]
for (const one of all) {
  try {
    await one()
  } catch (error) {
    console.error(`${one.name}: ${error.stack}\n${JSON.stringify({ error: error.error, description: error.error_description, cause: error.cause }, null, 1)}`)
    process.exitCode = 1
  }
}
process.stdin.destroy()
