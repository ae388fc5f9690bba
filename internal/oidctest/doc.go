// Package oidctest runs an OpenID Connect provider for tests: the certified provider of
// github.com/zitadel/oidc over a store in memory. A test says who is at the browser (SignInAs), approves or denies
// device codes, changes groups, rotates the signing key, or takes the provider down.
//
// Only tests may import it: the product must not link a provider.
package oidctest
