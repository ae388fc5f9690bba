package identity

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/store"
)

// Grant gives a role to the members of a group, or to one person.
type Grant struct {
	Group string `yaml:"group"`
	// User is an email address that the provider has verified.
	User string   `yaml:"user"`
	Role api.Role `yaml:"role"`
	// Pools are the work pools in which the role counts; nil means all pools.
	Pools []string `yaml:"pools"`
}

// ParseGrants reads an access file.
func ParseGrants(text []byte) ([]Grant, error) {
	var file struct {
		Grants []Grant `yaml:"grants"`
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(&file); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s (it has a list of grants, each with group or user, role and pools)",
			strings.TrimPrefix(err.Error(), "yaml: "))
	}
	for i, g := range file.Grants {
		if err := g.check(); err != nil {
			return nil, fmt.Errorf("grants[%d]: %w", i, err)
		}
		file.Grants[i].User = strings.ToLower(g.User)
	}
	return file.Grants, nil
}

func (g Grant) check() error {
	switch {
	case (g.Group == "") == (g.User == ""):
		return errors.New("want either group or user")
	case !slices.Contains(personRoles(), string(g.Role)):
		return fmt.Errorf("role %q: want %s", g.Role, strings.Join(personRoles(), ", "))
	case g.Pools != nil && len(g.Pools) == 0:
		return errors.New("pools is empty; leave it out for all pools")
	case slices.Contains(g.Pools, ""):
		return errors.New("pools has an empty name")
	case slices.Contains(g.Pools, "*"):
		return errors.New(`pools has "*"; leave it out for all pools`)
	}
	return nil
}

// matches reports whether the grant is for the person.
func (g Grant) matches(p store.Person) bool {
	if g.User != "" {
		return p.EmailVerified && g.User == p.Email
	}
	return slices.Contains(p.Groups, g.Group)
}

// Grants are the grants of an access file, which is read again when it changes. They are safe for concurrent
// use.
type Grants struct {
	file    string
	logger  *slog.Logger
	current atomic.Pointer[[]Grant]
	seen    [sha256.Size]byte // digest of the file when it was last read, valid or not
}

// OpenGrants reads an access file.
func OpenGrants(file string, logger *slog.Logger) (*Grants, error) {
	g := &Grants{file: file, logger: logger}
	if _, err := g.reload(); err != nil {
		return nil, err
	}
	return g, nil
}

// Of returns the grants for a person.
func (g *Grants) Of(p store.Person) []Grant {
	var own []Grant
	for _, grant := range *g.current.Load() {
		if grant.matches(p) {
			own = append(own, grant)
		}
	}
	return own
}

// Run reads the file at every interval until ctx ends. It polls, as certificates are polled: change
// notifications miss the swapped links of mounted volumes.
func (g *Grants) Run(ctx context.Context, interval time.Duration) error {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		changed, err := g.reload()
		switch {
		case err != nil && changed:
			g.logger.Error("new access file is invalid, the old grants still count", "file", g.file, "error", err)
		case changed:
			g.logger.Info("access file reloaded", "file", g.file, "grants", len(*g.current.Load()))
		}
	}
}

// reload reads the file and uses its grants if it is valid. changed is true if the file differs from the last
// time, valid or not, so that the same invalid file is logged only once.
func (g *Grants) reload() (changed bool, err error) {
	text, err := os.ReadFile(g.file)
	digest := sha256.Sum256(fmt.Append(text, "\x00", err))
	changed, g.seen = digest != g.seen, digest
	if err != nil {
		return changed, fmt.Errorf("read access file: %w", err)
	}
	grants, err := ParseGrants(text)
	if err != nil {
		return changed, fmt.Errorf("access file %s: %w", g.file, err)
	}
	g.current.Store(&grants)
	return changed, nil
}
