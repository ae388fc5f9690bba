package handler

import (
	"context"
	"time"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/api/apiserver"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/server/trust"
	"github.com/berth-dev/berth/server/wire"
)

// ListTrustRules lists the trust rules.
func (h *Handler) ListTrustRules(
	ctx context.Context, _ apiserver.ListTrustRulesRequestObject,
) (apiserver.ListTrustRulesResponseObject, error) {
	rules, err := h.store.ListTrustRules(ctx, "")
	if err != nil {
		return nil, err
	}
	return apiserver.ListTrustRules200JSONResponse{Items: wire.Each(rules, wire.TrustRule)}, nil
}

// GetTrustRule returns a trust rule.
func (h *Handler) GetTrustRule(
	ctx context.Context, r apiserver.GetTrustRuleRequestObject,
) (apiserver.GetTrustRuleResponseObject, error) {
	rule, err := h.store.GetTrustRule(ctx, r.TrustRule)
	if err != nil {
		return nil, err
	}
	return apiserver.GetTrustRule200JSONResponse(wire.TrustRule(*rule)), nil
}

// SetTrustRule creates or replaces a trust rule.
func (h *Handler) SetTrustRule(
	ctx context.Context, r apiserver.SetTrustRuleRequestObject,
) (apiserver.SetTrustRuleResponseObject, error) {
	b := r.Body
	rule, err := trust.Check(store.TrustRule{
		Name: r.TrustRule, Description: wire.Or(b.Description, ""), Issuer: b.Issuer, Audience: wire.Or(b.Audience, ""),
		Claims: b.Claims, Bindings: wire.Each(b.Bindings, wire.ReadBinding),
		Lifetime: time.Duration(wire.Or(b.LifetimeSeconds, 0)) * time.Second, SingleUse: wire.Or(b.SingleUse, false),
		Keys: b.Keys, Authorities: wire.Or(b.Authorities, ""),
	}, h.PublicURL)
	if err != nil {
		return nil, err
	}
	saved, revoked, err := h.store.UpsertTrustRule(ctx, rule, actor(ctx))
	if err != nil {
		return nil, err
	}
	h.KeysChanged()
	return apiserver.SetTrustRule200JSONResponse{Rule: wire.TrustRule(*saved), Revoked: int32(revoked)}, nil
}

// DeleteTrustRule deletes a trust rule and revokes its keys.
func (h *Handler) DeleteTrustRule(
	ctx context.Context, r apiserver.DeleteTrustRuleRequestObject,
) (apiserver.DeleteTrustRuleResponseObject, error) {
	revoked, err := h.store.DeleteTrustRule(ctx, r.TrustRule, actor(ctx))
	if err != nil {
		return nil, err
	}
	h.KeysChanged()
	return apiserver.DeleteTrustRule200JSONResponse{Revoked: int32(revoked)}, nil
}

// ExchangeToken returns a key for a token that a trust rule accepts.
func (h *Handler) ExchangeToken(
	ctx context.Context, r apiserver.ExchangeTokenRequestObject,
) (apiserver.ExchangeTokenResponseObject, error) {
	// A token may work once, so that a client that disconnects must not leave half an exchange.
	secret, key, err := h.Trust.Exchange(context.WithoutCancel(ctx), r.Body.Token, wire.Or(r.Body.Rule, ""))
	if err != nil {
		return nil, err
	}
	return apiserver.ExchangeToken201JSONResponse{APIKey: wire.APIKey(key), Secret: secret.Text}, nil
}

// TestTokenExchange says what the trust rules make of a token.
func (h *Handler) TestTokenExchange(
	ctx context.Context, r apiserver.TestTokenExchangeRequestObject,
) (apiserver.TestTokenExchangeResponseObject, error) {
	report, err := h.Trust.Test(ctx, r.Body.Token)
	if err != nil {
		return nil, err
	}
	return apiserver.TestTokenExchange200JSONResponse{
		Issuer: report.Issuer, Subject: report.Subject, Audience: append([]string{}, report.Audience...),
		ExpiresAt: report.Expires.UTC(), Verdicts: wire.Each(report.Verdicts, trustVerdict),
	}, nil
}

func trustVerdict(v trust.Verdict) api.TrustVerdict {
	reasons := v.Reasons
	if reasons == nil {
		reasons = []string{}
	}
	return api.TrustVerdict{Rule: v.Rule, Accepted: len(reasons) == 0, Reasons: reasons}
}
