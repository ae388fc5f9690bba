package catalog

import (
	"context"
	"slices"
	"sync"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/finding"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/templating/manifest"
)

// maxReaches bounds of how many versions is kept through which variables a reference can reach the Job.
const maxReaches = 200

// reachCache keeps the warnings of saved versions, which never change. Finding them renders the template many
// times.
type reachCache struct {
	mu       sync.Mutex
	versions map[uuid.UUID][]api.Finding
}

// Reaches are the warnings about the job variables of a saved version through which a reference can reach the
// Job, as a lint of it has them.
func (c *Catalog) Reaches(ctx context.Context, version *store.TemplateVersion) ([]api.Finding, error) {
	c.reaches.mu.Lock()
	known, ok := c.reaches.versions[version.ID]
	c.reaches.mu.Unlock()
	if ok {
		return slices.Clone(known), nil
	}
	compiled, err := c.Compiled(ctx, version)
	if err != nil {
		return nil, err
	}
	found := finding.FromProblems(manifest.ReachWarnings(compiled))

	c.reaches.mu.Lock()
	defer c.reaches.mu.Unlock()
	for id := range c.reaches.versions { // any: it is found again
		if len(c.reaches.versions) < maxReaches {
			break
		}
		delete(c.reaches.versions, id)
	}
	if c.reaches.versions == nil {
		c.reaches.versions = map[uuid.UUID][]api.Finding{}
	}
	c.reaches.versions[version.ID] = found
	return slices.Clone(found), nil
}
