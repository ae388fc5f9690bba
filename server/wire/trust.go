package wire

import (
	"time"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/store"
)

// TrustRule converts a trust rule.
func TrustRule(r store.TrustRule) api.TrustRule {
	return api.TrustRule{
		Name: r.Name, Description: OrNil(r.Description), Issuer: r.Issuer, Audience: r.Audience, Claims: r.Claims,
		Bindings: Each(r.Bindings, binding), LifetimeSeconds: int32(r.Lifetime / time.Second), SingleUse: r.SingleUse,
		Keys: r.Keys, Authorities: OrNil(r.Authorities), UpdatedAt: Time(r.UpdatedAt), UpdatedBy: r.UpdatedBy,
	}
}
