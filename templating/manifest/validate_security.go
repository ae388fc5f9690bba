package manifest

import (
	"math"

	corev1 "k8s.io/api/core/v1"

	"github.com/berth-dev/berth/templating"
)

// id checks the number of a user or group.
func (v *validator) id(at pointer, n *int64) {
	v.atLeast(at, n, 0)
	if n != nil && *n > math.MaxInt32 {
		v.fail(templating.CodeInvalid, at, "must be at most %d, not %d", math.MaxInt32, *n)
	}
}

func (v *validator) appArmor(p *corev1.AppArmorProfile, at pointer) {
	if p == nil {
		return
	}
	v.required(at.key("type"), string(p.Type), "an AppArmor profile needs a type")
	oneOf(v, at.key("type"), &p.Type, corev1.AppArmorProfileTypeRuntimeDefault,
		corev1.AppArmorProfileTypeUnconfined, corev1.AppArmorProfileTypeLocalhost)
	if local := p.Type == corev1.AppArmorProfileTypeLocalhost; local != (p.LocalhostProfile != nil) {
		v.fail(templating.CodeInvalid, at.key("localhostProfile"),
			"is required for type Localhost and not allowed for other types")
	}
}
