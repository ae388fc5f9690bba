package database

import (
	"fmt"
	"strings"
	"testing"

	"github.com/lib/pq"
)

// Every form that libpq takes reaches the hosts it names, on their ports, and only one that takes writes.
func TestAURLOfLibpqNamesItsHosts(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, url, want string }{
		{"one host", "postgres://u:p@db:5433/berth", "db:5433 read-write"},
		{"one host without a port", "postgres://u:p@db/berth", "db:5432 read-write"},
		{"several hosts with ports", "postgres://u:p@a:5433,b:5434/berth", "a:5433 b:5434 read-write"},
		{"several hosts, one without a port", "postgresql://u:p@a:5433,b/berth", "a:5433 b:5432 read-write"},
		{"several hosts without ports", "postgres://u:p@a,b/berth", "a:5432 b:5432 read-write"},
		{"one port for all", "postgres://u:p@a,b/berth?port=5499", "a:5499 b:5499 read-write"},
		{"as parameters", "postgres://u:p@/berth?host=a,b&port=5433,5434", "a:5433 b:5434 read-write"},
		{"addresses of IPv6", "postgres://u:p@[::1]:5433,[::2]/berth", "::1:5433 ::2:5432 read-write"},
		{"a socket", "postgres://u:p@%2Frun%2Fpostgresql/berth", "/run/postgresql:5432 read-write"},
		{"a comma and an at sign in the password", "postgres://u:a,b@c@db:5433/berth", "db:5433 read-write"},
		{"its own choice", "postgres://u:p@a,b/berth?target_session_attrs=any", "a:5432 b:5432 any"},
		{"no path", "postgres://a:1,b:2?dbname=berth&user=u", "a:1 b:2 read-write"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			u, err := parsePostgresURL(test.url, "read-write")
			if err != nil {
				t.Fatal(err)
			}
			config, err := pq.NewConfig(u.String())
			if err != nil {
				t.Fatal(err)
			}
			if config.User != "u" || config.Database != "berth" {
				t.Errorf("user %q, database %q", config.User, config.Database)
			}
			if got := targets(config); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

// targets are the hosts with their ports, in order, and what the driver wants of them.
func targets(c pq.Config) string {
	words := []string{fmt.Sprintf("%s:%d", c.Host, c.Port)}
	for _, other := range c.Multi {
		words = append(words, fmt.Sprintf("%s:%d", other.Host, other.Port))
	}
	return strings.Join(append(words, string(c.TargetSessionAttrs)), " ")
}

func TestAURLThatNamesNoHostIsRefusedWithTheForm(t *testing.T) {
	t.Parallel()
	for _, url := range []string{
		"postgres://u:hunter2@a:x:y,b/berth", "postgres://u:hunter2@a,,b/berth",
		"postgres://u:hunter2@%zz/berth", "postgres:u:hunter2",
	} {
		_, err := parsePostgresURL(url, "read-write")
		if err == nil || !strings.Contains(err.Error(), "HOST1:5432,HOST2:5432") ||
			strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: got %v", url, err)
		}
	}
}
