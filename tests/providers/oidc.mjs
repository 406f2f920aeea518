// An OpenID Connect provider on a free loopback port. The first line of its output is its issuer;
// it ends when its standard input does, so that no test leaves one behind.
import { createServer } from 'node:http'
import Provider from 'oidc-provider'

const redirects = JSON.parse(process.env.REDIRECTS ?? '[]')
const logouts = JSON.parse(process.env.LOGOUTS ?? '[]')
const server = createServer()
server.listen(0, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`
  const client = (client_id, more) => ({
    client_id,
    redirect_uris: redirects,
    post_logout_redirect_uris: logouts,
    response_types: ['code'],
    grant_types: ['authorization_code'],
    ...more,
  })
  const provider = new Provider(issuer, {
    clients: [
      client('confidential', { client_secret: 'se:cret/+', token_endpoint_auth_method: 'client_secret_basic' }),
      client('public', { token_endpoint_auth_method: 'none' }),
    ],
    // Claims about people come from the user information endpoint, which is this provider's way.
    claims: { openid: ['sub'], profile: ['name', 'groups', 'realm_access'], email: ['email'] },
    scopes: ['openid', 'profile', 'email'],
    pkce: { required: () => true },
    features: {
      devInteractions: { enabled: true },
      rpInitiatedLogout: { enabled: true },
    },
    // Consent is not what is tested; accounts are allowed everything.
    async loadExistingGrant(ctx) {
      const grant = new provider.Grant({
        clientId: ctx.oidc.client.clientId,
        accountId: ctx.oidc.session.accountId,
      })
      grant.addOIDCScope('openid profile email')
      await grant.save()
      return grant
    },
    findAccount: (_, id) => ({
      accountId: id,
      claims: () => ({
        sub: id,
        name: `${id} at the provider`,
        email: `${id}@idp.example`,
        groups: ['sales', 'north'],
        realm_access: { roles: ['reader'] },
      }),
    }),
    cookies: { keys: ['only for tests'] },
    ttl: { Interaction: 600, Session: 600, Grant: 600, AccessToken: 600, IdToken: 600 },
  })
  server.on('request', provider.callback())
  console.log(issuer)
})
process.stdin.resume()
process.stdin.on('end', () => process.exit(0))
