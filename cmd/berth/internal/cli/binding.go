package cli

import (
	"slices"
	"strings"

	"github.com/berth-dev/berth/server/access"
	"github.com/berth-dev/berth/server/api"
)

// ParseBindings reads roles as a user writes them: ROLE for all pools, or ROLE:POOL. The pools apply to a
// single role without a pool: `--role operator --pool a --pool b`.
func ParseBindings(roles, pools []string) ([]api.Binding, error) {
	bindings := make([]api.Binding, len(roles))
	for i, text := range roles {
		role, pool, named := strings.Cut(text, ":")
		if !api.Role(role).Valid() {
			return nil, Usagef("--role %q: the role must be %s", text, roleNames())
		}
		if named && pool == "" {
			return nil, Usagef("--role %q: name a pool after the colon, or leave the colon out for all pools", text)
		}
		if !named {
			pool = access.AllPools
		}
		bindings[i] = api.Binding{Role: api.Role(role), Pool: pool}
	}
	if len(pools) == 0 {
		return bindings, nil
	}
	if len(roles) != 1 || strings.Contains(roles[0], ":") {
		return nil, Usagef("--pool goes with one --role without a pool: write --role ROLE:POOL for each pool instead")
	}
	role := bindings[0].Role
	bindings = bindings[:0]
	for _, pool := range pools {
		bindings = append(bindings, api.Binding{Role: role, Pool: pool})
	}
	return bindings, nil
}

func roleNames() string {
	var names []string
	for _, role := range access.Roles() {
		names = append(names, string(role))
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " or " + names[last]
}

// Bindings returns bindings in the form that ParseBindings reads.
func Bindings(bindings []api.Binding) string {
	words := make([]string, len(bindings))
	for i, b := range bindings {
		words[i] = string(b.Role)
		if b.Pool != access.AllPools {
			words[i] += ":" + b.Pool
		}
	}
	slices.Sort(words)
	return strings.Join(words, ",")
}
