package oidctest

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

const (
	tokenLifetime = 5 * time.Minute
)

// storage is the memory of the provider. It implements op.Storage.
type storage struct {
	mu        sync.Mutex
	present   string // subject of the user at the browser
	users     map[string]User
	redirects []string
	key       signingKey
	requests  map[string]*authRequest // by ID
	codes     map[string]string       // code → ID of the request
	access    map[string]grant        // by ID of the access token
	refresh   map[string]grant        // by refresh token
	devices   map[string]device       // by device code
	userCodes []string                // in the order of the flows
	issued    []string
	signedOut []string // subjects
}

// grant is what a token is good for.
type grant struct {
	subject  string
	scopes   []string
	authTime time.Time
}

type device struct {
	userCode string
	state    *op.DeviceAuthorizationState
}

func newStorage(users []User) (*storage, error) {
	key, err := newSigningKey()
	if err != nil {
		return nil, err
	}
	s := &storage{
		users: map[string]User{}, key: key, requests: map[string]*authRequest{}, codes: map[string]string{},
		access: map[string]grant{}, refresh: map[string]grant{}, devices: map[string]device{},
	}
	for _, user := range users {
		s.users[user.Subject] = user
	}
	return s, nil
}

// authRequest is a sign-in of the authorization code flow. It implements op.AuthRequest.
type authRequest struct {
	*oidc.AuthRequest
	id       string
	subject  string
	authTime time.Time
}

func (r *authRequest) GetID() string                      { return r.id }
func (r *authRequest) GetACR() string                     { return "" }
func (r *authRequest) GetAMR() []string                   { return []string{"pwd"} }
func (r *authRequest) GetAudience() []string              { return []string{r.ClientID} }
func (r *authRequest) GetAuthTime() time.Time             { return r.authTime }
func (r *authRequest) GetClientID() string                { return r.ClientID }
func (r *authRequest) GetNonce() string                   { return r.Nonce }
func (r *authRequest) GetRedirectURI() string             { return r.RedirectURI }
func (r *authRequest) GetResponseType() oidc.ResponseType { return r.ResponseType }
func (r *authRequest) GetResponseMode() oidc.ResponseMode { return r.ResponseMode }
func (r *authRequest) GetScopes() []string                { return r.Scopes }
func (r *authRequest) GetState() string                   { return r.State }
func (r *authRequest) GetSubject() string                 { return r.subject }
func (r *authRequest) Done() bool                         { return r.subject != "" }
func (r *authRequest) GetCodeChallenge() *oidc.CodeChallenge {
	return &oidc.CodeChallenge{Challenge: r.CodeChallenge, Method: r.CodeChallengeMethod}
}

func (s *storage) CreateAuthRequest(_ context.Context, r *oidc.AuthRequest, _ string) (op.AuthRequest, error) {
	if r.CodeChallenge == "" || r.CodeChallengeMethod != oidc.CodeChallengeMethodS256 {
		return nil, oidc.ErrInvalidRequest().WithDescription("this provider requires PKCE with S256")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	request := &authRequest{AuthRequest: r, id: rand.Text()}
	s.requests[request.id] = request
	return request, nil
}

// authenticate signs the present user in.
func (s *storage) authenticate(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	request, known := s.requests[id]
	user, exists := s.users[s.present]
	if !known || !exists || user.Disabled {
		return false
	}
	request.subject, request.authTime = user.Subject, time.Now()
	return true
}

func (s *storage) AuthRequestByID(_ context.Context, id string) (op.AuthRequest, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if request, ok := s.requests[id]; ok {
		return request, nil
	}
	return nil, errors.New("unknown request")
}

func (s *storage) AuthRequestByCode(ctx context.Context, code string) (op.AuthRequest, error) {
	s.mu.Lock()
	id, ok := s.codes[code]
	s.mu.Unlock()
	if !ok {
		return nil, errors.New("unknown code")
	}
	return s.AuthRequestByID(ctx, id)
}

func (s *storage) SaveAuthCode(_ context.Context, id, code string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.codes[code] = id
	s.issued = append(s.issued, code)
	return nil
}

func (s *storage) DeleteAuthRequest(_ context.Context, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.requests, id)
	maps.DeleteFunc(s.codes, func(_, request string) bool { return request == id })
	return nil
}

func (s *storage) CreateAccessToken(_ context.Context, r op.TokenRequest) (string, time.Time, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	id := rand.Text()
	s.access[id] = grant{subject: r.GetSubject(), scopes: r.GetScopes()}
	s.issued = append(s.issued, id)
	return id, time.Now().Add(tokenLifetime), nil
}

// CreateAccessAndRefreshTokens spends the current refresh token: each works once.
func (s *storage) CreateAccessAndRefreshTokens(
	ctx context.Context, r op.TokenRequest, current string,
) (string, string, time.Time, error) {
	id, expires, err := s.CreateAccessToken(ctx, r)
	if err != nil {
		return "", "", expires, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.refresh[current]; current != "" && !ok {
		return "", "", expires, op.ErrInvalidRefreshToken
	}
	delete(s.refresh, current)
	token := rand.Text()
	s.refresh[token] = grant{subject: r.GetSubject(), scopes: r.GetScopes(), authTime: time.Now()}
	s.issued = append(s.issued, token)
	return id, token, expires, nil
}

// refreshRequest implements op.RefreshTokenRequest.
type refreshRequest struct{ grant }

func (r *refreshRequest) GetAMR() []string                 { return []string{"pwd"} }
func (r *refreshRequest) GetAudience() []string            { return []string{ClientID} }
func (r *refreshRequest) GetAuthTime() time.Time           { return r.authTime }
func (r *refreshRequest) GetClientID() string              { return ClientID }
func (r *refreshRequest) GetScopes() []string              { return r.scopes }
func (r *refreshRequest) GetSubject() string               { return r.subject }
func (r *refreshRequest) SetCurrentScopes(scopes []string) { r.scopes = scopes }

func (s *storage) TokenRequestByRefreshToken(_ context.Context, token string) (op.RefreshTokenRequest, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found, ok := s.refresh[token]
	if !ok || s.users[found.subject].Disabled {
		return nil, op.ErrInvalidRefreshToken
	}
	return &refreshRequest{found}, nil
}

func (s *storage) TerminateSession(_ context.Context, subject, _ string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.signedOut = append(s.signedOut, subject)
	return nil
}

func (s *storage) RevokeToken(_ context.Context, token, _, _ string) *oidc.Error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.refresh, token)
	delete(s.access, token)
	return nil
}

func (s *storage) GetRefreshTokenInfo(_ context.Context, _, token string) (string, string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if found, ok := s.refresh[token]; ok {
		return found.subject, token, nil
	}
	return "", "", op.ErrInvalidRefreshToken
}

// decide changes the state of a device flow; false if there is none with this user code.
func (s *storage) decide(userCode string, change func(*op.DeviceAuthorizationState)) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for code, one := range s.devices {
		if one.userCode == userCode {
			state := *one.state
			change(&state)
			s.devices[code] = device{userCode, &state}
			return true
		}
	}
	return false
}

func (s *storage) StoreDeviceAuthorization(
	_ context.Context, clientID, deviceCode, userCode string, expires time.Time, scopes []string,
) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.devices[deviceCode] = device{userCode, &op.DeviceAuthorizationState{
		ClientID: clientID, Scopes: scopes, Expires: expires,
	}}
	s.userCodes = append(s.userCodes, userCode)
	s.issued = append(s.issued, deviceCode)
	return nil
}

// GetDeviceAuthorizatonState spends an approved device code: it works once.
func (s *storage) GetDeviceAuthorizatonState(
	_ context.Context, clientID, deviceCode string,
) (*op.DeviceAuthorizationState, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	one, ok := s.devices[deviceCode]
	if !ok || one.state.ClientID != clientID {
		return nil, errors.New("unknown device code")
	}
	if one.state.Done {
		delete(s.devices, deviceCode)
	}
	return one.state, nil
}

// signingKey implements op.SigningKey; its public part implements op.Key.
type signingKey struct {
	id  string
	key *ecdsa.PrivateKey
}

func newSigningKey() (signingKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	return signingKey{id: rand.Text(), key: key}, err
}

func (k signingKey) SignatureAlgorithm() jose.SignatureAlgorithm { return jose.ES256 }
func (k signingKey) Key() any                                    { return k.key }
func (k signingKey) ID() string                                  { return k.id }

type publicKey struct{ signingKey }

func (publicKey) Algorithm() jose.SignatureAlgorithm { return jose.ES256 }
func (publicKey) Use() string                        { return "sig" }
func (k publicKey) Key() any                         { return &k.key.PublicKey }

func (s *storage) SigningKey(context.Context) (op.SigningKey, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.key, nil
}

func (s *storage) SignatureAlgorithms(context.Context) ([]jose.SignatureAlgorithm, error) {
	return []jose.SignatureAlgorithm{jose.ES256}, nil
}

func (s *storage) KeySet(context.Context) ([]op.Key, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return []op.Key{publicKey{s.key}}, nil
}

func (s *storage) GetClientByClientID(_ context.Context, id string) (op.Client, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if id != ClientID {
		return nil, errors.New("unknown client")
	}
	return client{slices.Clone(s.redirects)}, nil
}

func (s *storage) AuthorizeClientIDSecret(_ context.Context, id, secret string) error {
	if id != ClientID || secret != ClientSecret {
		return errors.New("wrong client secret")
	}
	return nil
}

// SetUserinfoFromRequest writes the claims of an ID token.
func (s *storage) SetUserinfoFromRequest(
	_ context.Context, info *oidc.UserInfo, r op.IDTokenRequest, scopes []string,
) error {
	return s.describe(info, r.GetSubject(), scopes)
}

// SetUserinfoFromToken writes the answer of the userinfo endpoint.
func (s *storage) SetUserinfoFromToken(_ context.Context, info *oidc.UserInfo, token, _, _ string) error {
	s.mu.Lock()
	found, ok := s.access[token]
	s.mu.Unlock()
	if !ok {
		return errors.New("unknown access token")
	}
	return s.describe(info, found.subject, found.scopes)
}

func (s *storage) describe(info *oidc.UserInfo, subject string, scopes []string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	user, ok := s.users[subject]
	if !ok {
		return errors.New("unknown user")
	}
	info.Subject = user.Subject
	if slices.Contains(scopes, oidc.ScopeEmail) {
		info.Email, info.EmailVerified = user.Email, oidc.Bool(user.EmailVerified)
	}
	if slices.Contains(scopes, oidc.ScopeProfile) {
		info.Name = user.Name
	}
	if slices.Contains(scopes, "groups") {
		info.AppendClaims("groups", user.Groups)
	}
	return nil
}

func (s *storage) SetUserinfoFromScopes(context.Context, *oidc.UserInfo, string, string, []string) error {
	return nil
}

func (s *storage) SetIntrospectionFromToken(
	context.Context, *oidc.IntrospectionResponse, string, string, string,
) error {
	return errors.New("introspection is off")
}

func (s *storage) GetPrivateClaimsFromScopes(
	context.Context, string, string, []string,
) (map[string]any, error) {
	return nil, nil
}

func (s *storage) GetKeyByIDAndClientID(context.Context, string, string) (*jose.JSONWebKey, error) {
	return nil, errors.New("clients have no keys")
}

func (s *storage) ValidateJWTProfileScopes(context.Context, string, []string) ([]string, error) {
	return nil, errors.New("the JWT profile is off")
}

func (s *storage) Health(context.Context) error { return nil }
