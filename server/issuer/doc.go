// Package issuer gives runs an identity: it signs short-lived OpenID Connect tokens that say which run an
// attempt belongs to, so that a cloud or a vault can trust a job without a static key in its pod.
//
//	job ── job key ──► CreateRunToken ──► Issuer.Issue ──► JWT ──► cloud or vault
//	                                                               │ discovery, JWKS
//	                        Issuer.Discovery, Issuer.Keys ◄────────┘
//
// # Keys
//
// Signing keys live in the database, so that all servers share them, each encrypted with a key that only the
// servers have (package seal): a copy of the database signs nothing. A key has three times in its life. It is
// published before it signs, so that recipients that cache the key set have it in time. It signs until its
// successor does. It stays in the key set until every token that it signed has expired. All of it follows
// from the time at which each key begins to sign; plan in rotate.go is the pure function that decides.
//
// # Trust
//
// A recipient that checks only signature and expiry accepts a token until it expires, also after the attempt
// has ended. Tokens are therefore short, and Introspect tells whoever asks whether the attempt is active.
package issuer
