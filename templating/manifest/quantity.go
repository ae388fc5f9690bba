package manifest

import (
	"errors"
	"regexp"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"
)

// maxQuantity bounds a quantity: it is the short text of a number that a machine may have.
const maxQuantity = 64

var (
	hugeExponent = regexp.MustCompile(`[eE][-+]?0*[1-9][0-9]{2,}$`)
	errQuantity  = errors.New("invalid quantity: want a number with a unit, such as 500m, 2 or 128Mi")
)

// ParseQuantity reads a quantity as Kubernetes does, but not 1e999999999, with which its library calculates
// for hours, and not Mi alone, which it takes for 0 and which is a placeholder without a value. Whatever
// reads a quantity that somebody gave uses it.
func ParseQuantity(text string) (resource.Quantity, error) {
	if len(text) > maxQuantity || hugeExponent.MatchString(text) || !strings.ContainsAny(text, "0123456789") {
		return resource.Quantity{}, errQuantity
	}
	return resource.ParseQuantity(text)
}
