package trust

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/berth-dev/berth/server/apikey"
	"github.com/berth-dev/berth/server/openid"
	"github.com/berth-dev/berth/server/problem"
	"github.com/berth-dev/berth/server/store"
)

// Store is the part of the store that the Service needs.
type Store interface {
	ListTrustRules(ctx context.Context, issuer string) ([]store.TrustRule, error)
	CreateTrustKey(ctx context.Context, n store.NewTrustKey) error
}

// Counter counts exchanges by result: ok, refused (no rule), invalid (the token) or unreachable (its issuer).
type Counter interface{ Exchange(result string) }

// Options of a Service.
type Options struct {
	Store     Store
	PublicURL string // of this server, whose run tokens are not exchanged
	Now       func() time.Time
	Logger    *slog.Logger
	Counter   Counter
}

// Service exchanges tokens. It is safe for concurrent use.
type Service struct {
	Options
	keys *keyRing
}

// New returns a Service. It calls no issuer.
func New(o Options) *Service { return &Service{Options: o, keys: newKeyRing(o.Now)} }

// Close ends idle connections to issuers.
func (s *Service) Close() { s.keys.close() }

// Exchange returns a new key for a token. rule names the trust rule that shall accept it; empty if one of all does.
func (s *Service) Exchange(ctx context.Context, token, rule string) (apikey.Key, store.Key, error) {
	secret, key, err := s.exchange(ctx, token, rule)
	result := resultOf(err)
	s.Counter.Exchange(result)
	if err != nil {
		s.Logger.Info("token exchange refused", "result", result, "error", err)
		return secret, key, asProblem(err)
	}
	s.Logger.Info("token exchanged", "rule", key.Token.Rule, "issuer", key.Token.Issuer,
		"subject", key.Token.Subject, "key", key.ID)
	return secret, key, nil
}

func (s *Service) exchange(ctx context.Context, token, name string) (apikey.Key, store.Key, error) {
	who, rules, err := s.judge(ctx, token)
	if err != nil {
		return apikey.Key{}, store.Key{}, err
	}
	accepting := slices.DeleteFunc(rules, func(j judged) bool {
		return len(j.reasons) > 0 || name != "" && j.rule.Name != name
	})
	switch len(accepting) {
	case 0:
		return apikey.Key{}, store.Key{}, refusal(name)
	case 1:
	default:
		return apikey.Key{}, store.Key{}, problem.Newf(problem.TokenRefused,
			"several trust rules accept this token; name one of them: %s", strings.Join(names(accepting), ", "))
	}
	return s.create(ctx, token, accepting[0].rule, who)
}

// create stores the key. It is named after the rule; the audit names its use after the subject of the token.
func (s *Service) create(
	ctx context.Context, token string, rule store.TrustRule, who identity,
) (apikey.Key, store.Key, error) {
	secret, err := apikey.New()
	if err != nil {
		return secret, store.Key{}, err
	}
	now := s.Now().UTC()
	expires := now.Add(rule.Lifetime)
	digest := sha256.Sum256([]byte(token))
	key := store.Key{
		ID: secret.ID, Name: rule.Name + "/" + secret.ID, Bindings: rule.Bindings, SecretHash: secret.Hash(),
		CreatedAt: now, CreatedBy: who.subject, ExpiresAt: &expires,
		Token: store.TokenIdentity{Rule: rule.Name, Issuer: who.issuer, Subject: who.subject, ID: who.id},
	}
	origin := store.OriginOf(ctx)
	origin.Kind, origin.KeyID = store.ActorCI, secret.ID
	err = s.Store.CreateTrustKey(store.WithOrigin(ctx, origin), store.NewTrustKey{
		Key: key, Rule: rule, Digest: hex.EncodeToString(digest[:]), Expires: who.expires.Add(openid.ClockSkew),
	})
	return secret, key, err
}

// Verdict is what a trust rule says of a token.
type Verdict struct {
	Rule    string
	Reasons []string // why it does not accept the token; empty if it does
}

// Report is what an admin learns of a token.
type Report struct {
	Issuer, Subject string
	Audience        []string
	Expires         time.Time
	Verdicts        []Verdict
}

// Test says which rules accept a token and why others do not. It makes no key.
func (s *Service) Test(ctx context.Context, token string) (Report, error) {
	who, rules, err := s.judge(ctx, token)
	if err != nil {
		return Report{}, asProblem(err)
	}
	report := Report{Issuer: who.issuer, Subject: who.subject, Audience: who.audience, Expires: who.expires}
	for _, j := range rules {
		report.Verdicts = append(report.Verdicts, Verdict{Rule: j.rule.Name, Reasons: j.reasons})
	}
	return report, nil
}

// judged is a rule with its reasons not to accept a token; none if it does.
type judged struct {
	rule    store.TrustRule
	reasons []string
}

// judge verifies a token and compares it with the rules of its issuer.
func (s *Service) judge(ctx context.Context, token string) (identity, []judged, error) {
	parsed, issuer, err := parse(token)
	if err != nil {
		return identity{}, nil, err
	}
	if s.PublicURL != "" && sameURL(issuer, s.PublicURL) {
		return identity{}, nil, problem.Newf(problem.TokenRefused,
			"this is a run token of this server, which is not exchanged for a key: a job has its job key")
	}
	rules, err := s.Store.ListTrustRules(ctx, issuer)
	if err != nil {
		return identity{}, nil, err
	}
	if len(rules) == 0 {
		return identity{}, nil, problem.Newf(problem.TokenRefused,
			"no trust rule is for the issuer %q of this token", problem.Clip(issuer))
	}
	return s.judgeAll(ctx, rules, candidate{parsed: parsed, token: token, issuer: issuer, seen: map[string]verified{}})
}

// judgeAll returns the verdicts of rules. The error is that of the token if none could verify it.
func (s *Service) judgeAll(ctx context.Context, rules []store.TrustRule, c candidate) (identity, []judged, error) {
	var who identity
	var failed error
	all := make([]judged, len(rules))
	for i, rule := range rules {
		all[i].rule = rule
		result := s.verifyOnce(ctx, rule, c)
		if result.err != nil {
			failed = worse(failed, result.err)
			all[i].reasons = []string{result.err.Error()}
			continue
		}
		who = result.who
		all[i].reasons = compare(rule, who)
	}
	if who.subject == "" {
		return who, nil, failed
	}
	return who, all, nil
}

// candidate is a token that is being judged, with the results by the places that keys come from.
type candidate struct {
	parsed        *jose.JSONWebSignature
	token, issuer string
	seen          map[string]verified
}

type verified struct {
	who identity
	err error
}

// verifyOnce verifies a token with the keys that a rule goes by, once for all rules that go by the same.
func (s *Service) verifyOnce(ctx context.Context, rule store.TrustRule, c candidate) verified {
	place := string(rule.Keys) + "\x00" + rule.Authorities
	if result, known := c.seen[place]; known {
		return result
	}
	var result verified
	source, err := s.keys.of(rule)
	if err == nil {
		result.who, err = verify(ctx, source, c.parsed, c.token, c.issuer, s.Now())
	}
	result.err = err
	c.seen[place] = result
	return result
}

// worse keeps the error that says most: an issuer that is down hides whether the token is good.
func worse(a, b error) error {
	var unreachable *UnreachableError
	if a == nil || errors.As(b, &unreachable) {
		return b
	}
	return a
}

// compare says why a rule does not accept a verified token.
func compare(rule store.TrustRule, who identity) []string {
	var reasons []string
	if !slices.Contains(who.audience, rule.Audience) {
		reasons = append(reasons, "audience: the token is for "+quoted(who.audience)+", the rule wants "+
			quoted([]string{rule.Audience}))
	}
	for _, claim := range slices.Sorted(maps.Keys(rule.Claims)) {
		if patterns := rule.Claims[claim]; !who.claims.meets(claim, patterns) {
			reasons = append(reasons, "claim "+claim+": the token has "+quoted(who.claims.texts(claim))+
				", the rule wants "+quoted(patterns))
		}
	}
	return reasons
}
