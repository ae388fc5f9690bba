package newrun

import (
	"context"
	"encoding/json"

	"github.com/berth-dev/berth/server/catalog"
	"github.com/berth-dev/berth/templating"
	"github.com/berth-dev/berth/templating/manifest"
	"github.com/berth-dev/berth/templating/manifest/reference"
)

// PoolReader reads what a pool allows: a store, or a transaction that may have changed it.
type PoolReader interface {
	GetAllowedReferences(ctx context.Context, pool string) (json.RawMessage, error)
	ListDefaultNamespaces(ctx context.Context, pool string) ([]string, error)
}

// References are what the Jobs of a pool may refer to.
type References struct {
	Allowed *reference.Allowed
	// Namespaces are those into which the workers of the pool put Jobs whose template names none. Where no
	// worker has said, the worker alone judges the namespace that a job variable names.
	Namespaces []string
}

// ReadReferences reads what the Jobs of a pool may refer to now.
func ReadReferences(ctx context.Context, reader PoolReader, pool string) (*References, error) {
	raw, err := reader.GetAllowedReferences(ctx, pool)
	if err != nil {
		return nil, err
	}
	allowed, err := catalog.Allowed(raw)
	if err != nil {
		return nil, err
	}
	namespaces, err := reader.ListDefaultNamespaces(ctx, pool)
	return &References{Allowed: &allowed, Namespaces: namespaces}, err
}

// limit makes a Job of the identity refer to nothing else.
func (r *References) limit(id *manifest.Identity) {
	if r == nil {
		return
	}
	id.Allowed, id.WorkerNamespaces, id.AnyNamespace = r.Allowed, r.Namespaces, len(r.Namespaces) == 0
	if len(r.Namespaces) > 0 {
		id.Namespace = r.Namespaces[0]
	}
}

// Refused are the references among what is wrong with a Job.
func Refused(err error) templating.Problems {
	var refused templating.Problems
	for _, p := range templating.AsProblems(err) {
		if p.Code == templating.CodeReference {
			p.Pointer = "" // the place is in the Job; which of the variables it was, the message says
			refused = append(refused, p)
		}
	}
	return refused
}
