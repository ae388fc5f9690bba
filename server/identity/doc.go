// Package identity signs people in with the company's OpenID Connect provider and keeps their sessions.
//
// A sign-in is either the authorization code flow with PKCE, for the page (code_flow.go), or the device flow,
// for the command line (device_flow.go). Both end with an ID token that comes straight from the provider's
// token endpoint. provider.go checks it, claims.go reads the person from it, and grant.go turns the person's
// groups into roles. The grants are a file, not rows of the database: who may do what in an installation is
// reviewed where the rest of its configuration is, and an administrator's stolen session cannot widen it.
//
// The result is a session (session.go). Its token is random; the database holds a hash. If the provider gives
// a refresh token, the groups are read again every few minutes (recheck.go). The refresh token is encrypted
// under the session's token (seal.go), so that neither the database nor the server alone can use it.
package identity
