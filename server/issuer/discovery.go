package issuer

import (
	"context"
	"encoding/json"
)

// Paths below the public URL. The first is fixed by OpenID Connect Discovery.
const (
	DiscoveryPath = "/.well-known/openid-configuration"
	KeysPath      = "/oauth/jwks"
)

// Discovery is the discovery document: what a recipient of tokens needs, which never signs anybody in here.
type Discovery struct {
	Issuer, KeysURL                                 string
	ResponseTypes, SubjectTypes, Algorithms, Claims []string
}

// Discovery returns the discovery document of the issuer.
func (i *Issuer) Discovery() Discovery {
	return Discovery{
		Issuer: i.URL, KeysURL: i.URL + KeysPath,
		ResponseTypes: []string{"id_token"}, SubjectTypes: []string{"public"},
		Algorithms: []string{string(Algorithm)}, Claims: claimNames(),
	}
}

// Keys returns the public keys, each as a JSON Web Key.
func (i *Issuer) Keys(ctx context.Context) ([]json.RawMessage, error) {
	stored, err := i.readKeys(ctx)
	if err != nil {
		return nil, err
	}
	keys := make([]json.RawMessage, len(stored))
	for n, k := range stored {
		keys[n] = k.PublicKey
	}
	return keys, nil
}
