package issuer

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/berth-dev/berth/server/store"
)

func numeric(t time.Time) jwt.NumericDate { return *jwt.NewNumericDate(t) }

// signWith signs claims as an attacker would, with any algorithm and headers.
func signWith(t *testing.T, key jose.SigningKey, headers map[jose.HeaderKey]any, claims any) string {
	t.Helper()
	options := &jose.SignerOptions{}
	for name, value := range headers {
		options = options.WithHeader(name, value)
	}
	signer, err := jose.NewSigner(key, options)
	if err != nil {
		t.Fatal(err)
	}
	token, err := jwt.Signed(signer).Claims(claims).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestVerifyRefusesConfusedTokens(t *testing.T) {
	c := &clock{time.Now()}
	encryption := testSeal(t)
	i := newTestIssuer(t, nil, c, encryption)
	stored, err := newKey(encryption, c.now, c.now)
	if err != nil {
		t.Fatal(err)
	}
	keys := []store.SigningKey{stored}
	private, err := openKey(encryption, stored)
	if err != nil {
		t.Fatal(err)
	}
	evil, err := rsa.GenerateKey(rand.Reader, rsaBits)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(&private.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	kid := map[jose.HeaderKey]any{"kid": stored.ID}
	with := func(name jose.HeaderKey, value any) map[jose.HeaderKey]any {
		return map[jose.HeaderKey]any{"kid": stored.ID, name: value}
	}
	good := claimsAt(i.URL, c.now, c.now.Add(time.Minute))
	rs := func(key *rsa.PrivateKey) jose.SigningKey { return jose.SigningKey{Algorithm: jose.RS256, Key: key} }
	changed := func(change func(*Claims)) Claims {
		claims := good
		change(&claims)
		return claims
	}
	payload, err := json.Marshal(good)
	if err != nil {
		t.Fatal(err)
	}
	none := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","kid":"`+stored.ID+`"}`)) + "." +
		base64.RawURLEncoding.EncodeToString(payload) + "."

	if _, err := i.verify(signWith(t, rs(private), kid, good), keys); err != nil {
		t.Fatal("the genuine token is refused")
	}
	for name, token := range map[string]string{
		"algorithm none": none,
		"HS256 with the public key as secret": signWith(t,
			jose.SigningKey{Algorithm: jose.HS256, Key: der}, kid, good),
		"RS512 of the right key":          signWith(t, jose.SigningKey{Algorithm: jose.RS512, Key: private}, kid, good),
		"another key with our key ID":     signWith(t, rs(evil), kid, good),
		"another key that the header has": signWith(t, rs(evil), with("jwk", jose.JSONWebKey{Key: evil.Public()}), good),
		"another key behind a URL":        signWith(t, rs(evil), with("jku", "https://evil.example/jwks"), good),
		"certificate behind a URL":        signWith(t, rs(evil), with("x5u", "https://evil.example/cert"), good),
		"key ID that is a path": signWith(t, rs(private),
			map[jose.HeaderKey]any{"kid": "../" + stored.ID}, good),
		"no key ID":             signWith(t, rs(private), nil, good),
		"another issuer":        signWith(t, rs(private), kid, changed(func(c *Claims) { c.Issuer += "/" })),
		"expired":               signWith(t, rs(private), kid, changed(func(c *Claims) { c.Expiry = numeric(time.Now().Add(-time.Second)) })),
		"without an expiry":     signWith(t, rs(private), kid, changed(func(c *Claims) { c.Expiry = 0 })),
		"not valid for an hour": signWith(t, rs(private), kid, changed(func(c *Claims) { c.NotBefore = numeric(time.Now().Add(time.Hour)) })),
	} {
		if claims, err := i.verify(token, keys); err == nil {
			t.Errorf("%s: accepted as %+v", name, claims)
		}
	}
}
