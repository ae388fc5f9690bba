// Package trust exchanges tokens of other issuers for short-lived API keys, so that a job of GitHub Actions, GitLab
// CI or Kubernetes needs no stored key. A trust rule says which tokens: of which issuer, for which audience, with
// which claims; and which roles their keys get.
//
//	token ──► its issuer has rules? ──► signature, algorithm, times ──► audience and claims of each rule ──► key
//
// rule.go checks rules when they are saved, pattern.go says what their patterns match. keys.go reads the keys of
// issuers that a rule names, and verify.go checks tokens with them. service.go puts it together.
//
// Nothing of a token is believed before its signature is verified, except which issuer it claims to be from: that
// chooses the rules and so the keys. What the header of a token names (jku, x5u, jwk) is never used.
package trust
